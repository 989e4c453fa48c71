/** What a storm is made of: alerts, bodies, and a sender who has many of them under way at the same time. */
import { Agent, request } from 'node:http';
import type { AlertAnswer } from '../../src/act/intake.js';
import type { WardenProcess } from './warden-process.js';

export interface Alert {
  status: 'firing' | 'resolved';
  labels: Record<string, string>;
  startsAt: string;
  endsAt: string;
  fingerprint: string;
}

const NO_END = '0001-01-01T00:00:00Z';

export function alertOf(app: string, worker: string, fingerprint: string, startsAtMs: number): Alert {
  const labels = { action: 'restart', alertname: 'HeapwardenMemoryLimit', app, worker, reason: 'rss', severity: 'warning' };
  return { status: 'firing', labels, startsAt: new Date(startsAtMs).toISOString(), endsAt: NO_END, fingerprint };
}

export const resolved = (alert: Alert, endsAtMs: number): Alert => ({
  ...alert, status: 'resolved', endsAt: new Date(endsAtMs).toISOString(),
});

/** As Alertmanager frames it; `filler` is what makes it large, and is shared by all that have it. */
export function bodyOf(alerts: readonly Alert[], filler: Buffer | null = null): Buffer[] {
  const frame = JSON.stringify({ version: '4', receiver: 'heapwarden', status: 'firing', alerts });
  if (!filler) return [Buffer.from(frame)];
  const noise = { ...alertOf('noise', '0', 'noise', 0), labels: { action: 'page', text: '' } };
  const [before, after] = JSON.stringify(noise).split('"text":"') as [string, string];
  return [Buffer.from(`${frame.slice(0, -2)}${alerts.length > 0 ? ',' : ''}${before}"text":"`), filler, Buffer.from(`${after}]}`)];
}

export interface Sent {
  status: number;
  /** From the first attempt to the last answer, and the longest that one answer took; milliseconds. */
  totalMs: number;
  slowestMs: number;
  attempts: number;
  answers: AlertAnswer[];
}

/** Sends as Alertmanager does: again after a 5xx, later each time, and never after a 4xx. */
export async function send(warden: WardenProcess, body: readonly Buffer[], token = warden.token): Promise<Sent> {
  const startedAt = performance.now();
  let slowestMs = 0;
  for (let attempts = 1; ; attempts++) {
    const begunAt = performance.now();
    const { status, text } = await post(warden, body, token);
    slowestMs = Math.max(slowestMs, performance.now() - begunAt);
    if (status < 500 || attempts === 100) {
      const answers = status === 202 ? (JSON.parse(text) as { alerts: AlertAnswer[] }).alerts : [];
      return { status, totalMs: performance.now() - startedAt, slowestMs, attempts, answers };
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(100 * 2 ** attempts, 3000)));
  }
}

function post(warden: WardenProcess, body: readonly Buffer[], token: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': body.reduce((sum, part) => sum + part.length, 0),
    };
    const agent = new Agent({ keepAlive: false });
    const sent = request(`${warden.url}/api/v1/alerts`, { method: 'POST', headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString() }));
    });
    sent.on('error', reject);
    for (const part of body) sent.write(part);
    sent.end();
  });
}

/** Numbers from 0 to 1, the same for the same seed: mulberry32, https://github.com/cprosche/mulberry32 */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items.map((item) => ({ item, at: random() })).toSorted((a, b) => a.at - b.at).map(({ item }) => item);
}
