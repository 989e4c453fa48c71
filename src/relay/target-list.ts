import { readFile, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { request } from './request.js';
import type { TargetsConfig } from './schema.js';
import { byInstance, parseTargets, type Target, type Targets } from './targets.js';

export interface TargetListParts {
  config: TargetsConfig;
  scheme: 'http' | 'https';
  clock: Clock;
  log: Log;
}

const HTTP_SD_TIMEOUT_MS = 10_000;

/** The wardens there are. A list that cannot be had whole changes nothing: the one before stays. */
export class TargetList {
  readonly #parts: TargetListParts;
  readonly #closing = new AbortController();
  #targets: Targets | null = null;
  #problem: string | null = null;
  #following: Promise<void> = Promise.resolve();

  constructor(parts: TargetListParts) {
    this.#parts = parts;
  }

  /** Whether it has been had once; until then nobody can say of an instance that it is unknown. */
  get isKnown(): boolean {
    return this.#targets !== null;
  }

  get all(): Targets {
    return this.#targets ?? new Map();
  }

  /** Why the last look failed; null where it did not. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Looks now, and from then on at each refresh_interval; resolves after the first look, which may fail. */
  async start(): Promise<void> {
    await this.refresh();
    this.#following = this.#follow();
  }

  /** Never rejects: `problem` says how it went. */
  async refresh(): Promise<void> {
    const { log } = this.#parts;
    try {
      const { targets, clashes } = byInstance(await this.#read());
      const last = clashes.length === 0 ? null : `two targets have the instance label ${clashes.join(', ')}; the first is called`;
      if (last !== null && last !== this.#problem) log.warn(last);
      if (this.#targets?.size !== targets.size) log.info(`${targets.size} targets`);
      this.#targets = targets;
      this.#problem = last;
    } catch (error) {
      const kept = this.#targets === null ? 'no alert is taken until it can' : 'the list from before stays';
      const problem = `the list of targets cannot be used: ${messageOf(error)}; ${kept}`;
      if (problem !== this.#problem) log.error(problem);
      this.#problem = problem;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const { clock, config } = this.#parts;
    const { signal } = this.#closing;
    const everyMs = (config.file_sd ?? config.http_sd)!.refresh_interval;
    for (;;) {
      await clock.sleep(everyMs, signal);
      if (signal.aborted) return;
      await this.refresh();
    }
  }

  async #read(): Promise<Target[]> {
    const { config, scheme } = this.#parts;
    if (config.http_sd) return readUrl(config.http_sd.url, scheme);
    const files = (await Promise.all(config.file_sd!.files.map(matching))).flat();
    return (await Promise.all(files.map((file) => readList(file, scheme)))).flat();
  }
}

async function readUrl(url: string, scheme: 'http' | 'https'): Promise<Target[]> {
  try {
    const headers = { accept: 'application/json' };
    const { status, body } = await request(url, { method: 'GET', headers, timeoutMs: HTTP_SD_TIMEOUT_MS });
    if (status !== 200) throw new Error(`HTTP ${status}`);
    return parseTargets(body, scheme);
  } catch (error) {
    throw new Error(`${url}: ${messageOf(error)}`, { cause: error });
  }
}

async function readList(file: string, scheme: 'http' | 'https'): Promise<Target[]> {
  try {
    return parseTargets(await readFile(file, 'utf8'), scheme);
  } catch (error) {
    throw new Error(`${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** The files that a pattern means. Throws where there is none: a list that vanished is not a fleet that did. */
async function matching(pattern: string): Promise<string[]> {
  const [before, after] = basename(pattern).split('*');
  if (after === undefined) return [pattern];
  const names = await readdir(dirname(pattern));
  const length = before!.length + after.length;
  const fit = names.filter((name) => name.length >= length && name.startsWith(before!) && name.endsWith(after));
  if (fit.length === 0) throw new Error(`${pattern} fits no file`);
  return fit.toSorted().map((name) => join(dirname(pattern), name));
}
