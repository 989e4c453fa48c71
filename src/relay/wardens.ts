import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { createSecureContext } from 'node:tls';
import { isGroup, type Group } from '../config/merge.js';
import { HeapwardenError, messageOf } from '../errors.js';
import { readToken } from '../http/token.js';
import type { RelayedAlert } from './queue.js';
import { NoAnswer, request, type HttpAnswer } from './request.js';
import type { WardensConfig } from './schema.js';
import type { Target } from './targets.js';

/** What became of one alert for one worker, in the warden's word. */
export interface WardenDecision {
  fingerprint: string;
  decision: string;
}

export interface WardenWorker {
  worker: string;
  up: boolean;
  restarting: boolean;
}

/** The workers of each app on one machine. */
export type WardenApps = ReadonlyMap<string, readonly WardenWorker[]>;

/** Calls wardens, each with its own token. */
export class Wardens {
  readonly #config: WardensConfig;
  readonly #agent: Agent | undefined;

  private constructor(config: WardensConfig, agent: Agent | undefined) {
    this.#config = config;
    this.#agent = agent;
  }

  /** Throws HeapwardenError CONFIG_UNREADABLE where a certificate cannot be read or is none. */
  static async open(config: WardensConfig): Promise<Wardens> {
    const { ca_file, cert_file, key_file, server_name } = config.tls;
    const pem = async (file: string | undefined) => (file === undefined ? undefined : await readFile(file));
    try {
      const [ca, cert, key] = await Promise.all([ca_file, cert_file, key_file].map(pem));
      const options = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
      if (Object.keys(options).length === 0 && server_name === undefined) return new Wardens(config, undefined);
      createSecureContext(options); // an Agent would find out at the first request what is wrong with them
      const name = server_name === undefined ? {} : { servername: server_name };
      return new Wardens(config, new Agent({ ...options, ...name }));
    } catch (error) {
      throw new HeapwardenError('CONFIG_UNREADABLE', `wardens.tls cannot be used: ${messageOf(error)}`, { cause: error });
    }
  }

  /** `mayWait`: the warden keeps what it refuses only for now. Throws NoAnswer. */
  async deliver(target: Target, alerts: readonly RelayedAlert[], mayWait: boolean): Promise<HttpAnswer> {
    const body = JSON.stringify({ version: '4', alerts });
    const headers = {
      ...(await this.#headers(target)),
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    };
    const url = `${target.origin}/api/v1/alerts${mayWait ? '' : '?wait=false'}`;
    return request(url, { method: 'POST', headers, body, timeoutMs: this.#config.timeout, agent: this.#agent });
  }

  /** Throws NoAnswer, also where the answer is not a warden's. */
  async apps(target: Target): Promise<WardenApps> {
    const headers = await this.#headers(target);
    const url = `${target.origin}/api/v1/apps`;
    const options = { headers, timeoutMs: this.#config.timeout, agent: this.#agent };
    const { status, body } = await request(url, { method: 'GET', ...options });
    const apps = status === 200 ? appsIn(body) : null;
    if (!apps) throw new NoAnswer(`what answers to GET /api/v1/apps (HTTP ${status}) is not a warden`, true);
    return apps;
  }

  async #headers(target: Target): Promise<Record<string, string>> {
    try {
      return { authorization: `Bearer ${await readToken(tokenFileOf(this.#config.token_file, target.labels))}` };
    } catch (error) {
      throw new NoAnswer(`it was not asked: ${messageOf(error)}`, false);
    }
  }
}

/**
 * Pure: the file that holds a target's token. A label is a name there, never a path. Throws an Error where the target
 * has no such label, or one that no file can be called by.
 */
export function tokenFileOf(template: string, labels: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = labels[name] ?? '';
    if (/^[\w.:[\]@-]+$/.test(value) && !/^\.+$/.test(value)) return value;
    throw new Error(`its label ${name}=${JSON.stringify(value)} cannot name a token file (${template})`);
  });
}

/** Pure: what a warden decided; null where the body is not its answer. */
export function decisionsIn(body: string): WardenDecision[] | null {
  const alerts = listIn(body, 'alerts');
  const isDecision = ({ fingerprint, decision }: Group) => typeof fingerprint === 'string' && typeof decision === 'string';
  return alerts?.every(isDecision) ? (alerts as unknown as WardenDecision[]) : null;
}

function appsIn(body: string): WardenApps | null {
  const apps = listIn(body, 'apps');
  if (!apps) return null;
  const read = new Map<string, WardenWorker[]>();
  for (const { app, workers } of apps) {
    if (typeof app !== 'string' || !Array.isArray(workers) || !workers.every(isGroup)) return null;
    const state = ({ worker, up, restarting }: Group): WardenWorker =>
      ({ worker: String(worker), up: up === true, restarting: restarting === true });
    read.set(app, workers.map(state));
  }
  return read;
}

function listIn(body: string, key: string): Group[] | null {
  try {
    const root: unknown = JSON.parse(body);
    const list = isGroup(root) ? root[key] : null;
    return Array.isArray(list) && list.every(isGroup) ? list : null;
  } catch {
    return null;
  }
}
