import type { AppHistory, Range } from '../../publish/day.js';

/** Relative, so that the page also works behind a proxy's prefix. */
const path = (...parts: string[]): string => ['api', 'v1', ...parts.map(encodeURIComponent)].join('/');

/** Of one worker; null where it is not to be had now. */
export async function history(app: string, worker: string, range: Range): Promise<AppHistory | null> {
  const query = new URLSearchParams({ range, worker });
  const response = await fetch(`${path('apps', app, 'history')}?${query}`).catch(() => null);
  return response?.ok ? ((await response.json()) as AppHistory) : null;
}

export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

interface Told {
  message?: string;
  decisions?: { sentence: string }[];
}

/** What was done, in sentences. Throws Refused where it was not. */
export async function act(token: string, app: string, what: 'restart' | 'pause' | 'resume', body: object): Promise<string> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(path('apps', app, what), { method: 'POST', headers, body: JSON.stringify(body) });
  const told = (await response.json().catch(() => ({}))) as Told;
  const sentences = told.decisions?.map(({ sentence }) => sentence).join('\n');
  const said = sentences ?? told.message ?? response.statusText;
  if (!response.ok) throw new Refused(response.status, said);
  return sentences ?? (what === 'pause' ? `${app} is paused` : `${app} is resumed`);
}

export async function evidence(token: string, incident: string, file: string): Promise<Blob> {
  const response = await fetch(path('incidents', incident, 'evidence', file), { headers: { authorization: `Bearer ${token}` } });
  if (response.ok) return response.blob();
  const told = (await response.json().catch(() => ({}))) as Told;
  throw new Refused(response.status, told.message ?? response.statusText);
}
