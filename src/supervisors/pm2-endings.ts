/**
 * How PM2's processes end. PM2 keeps neither their signals nor their last words where they can be asked for; both are in
 * its files: `App [shop:0] exited with code [0] via signal [SIGABRT]` in its own log (God.js, handleExit), and what the
 * app wrote in the app's; in cluster mode V8's own words go to PM2's. A file that cannot be read tells nothing.
 */
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import type { Ending } from './contract.js';
import { TAIL_BYTES, wholeLines } from './output-tail.js';
import type { Pm2Process } from './pm2-rpc.js';

/** Milliseconds in which PM2 has written what a process said last. */
const WRITES_MS = 300;
/** Bytes of PM2's own log that are looked through: some hundred lines. */
const DAEMON_TAIL_BYTES = 64 * 1024;

type Sizes = ReadonlyMap<string, number>;

interface Known {
  worker: string;
  pmId: number;
  pid: number;
  files: string[];
  /** As of the last look and the one before: what a process says last may be there as soon as it has been listed. */
  sizes: Sizes | null;
  before: Sizes | null;
}

export class Pm2Endings {
  readonly #name: string;
  readonly #daemonLog: string;
  readonly #clock: Clock;
  readonly #known = new Map<number, Known>();
  readonly #asked = new Set<number>();
  #ended: (Known & { atMs: number })[] = [];

  constructor({ name, home, clock }: { name: string; home: string; clock: Clock }) {
    this.#name = name;
    this.#daemonLog = join(home, 'pm2.log');
    this.#clock = clock;
  }

  /** heapwarden itself is about to have this process ended. */
  expect(pid: number | null): void {
    if (pid !== null) this.#asked.add(pid);
  }

  /** It was left in place after all: how it ends one day is nobody's wish. */
  expectNoMore(pid: number): void {
    this.#asked.delete(pid);
  }

  /** After each list: the app's processes by slot. */
  async look(placed: ReadonlyMap<number, Pm2Process>): Promise<void> {
    const now = new Map([...placed].map(([slot, found]) => [found.pmId, { slot, found }]));
    for (const [pmId, known] of this.#known) {
      if (now.get(pmId)?.found.pid === known.pid) continue;
      this.#known.delete(pmId);
      if (!this.#asked.delete(known.pid)) this.#ended.push({ ...known, atMs: this.#clock.now() });
    }
    for (const [pmId, { slot, found: { pid, logs } }] of now) {
      if (pid === null || this.#known.has(pmId)) continue;
      const files = [...new Set([...logs, this.#daemonLog])];
      this.#known.set(pmId, { worker: String(slot), pmId, pid, files, sizes: null, before: null });
    }
    await Promise.all(
      [...this.#known.values()].map(async (known) => {
        const sizes = new Map(await Promise.all(known.files.map(async (file) => [file, await sizeOf(file)] as const)));
        Object.assign(known, { sizes, before: known.sizes ?? sizes });
      }),
    );
  }

  /** Those that nobody has been told of, oldest first. */
  async take(): Promise<Ending[]> {
    const ended = this.#ended.splice(0);
    if (ended.length > 0) await this.#clock.sleep(WRITES_MS);
    return Promise.all(ended.map((known) => this.#ending(known)));
  }

  async #ending({ worker, pmId, pid, atMs, files, before }: Known & { atMs: number }): Promise<Ending> {
    const since = (file: string, most: number) => readSince(file, before?.get(file) ?? Infinity, most);
    const said = await Promise.all(files.filter((file) => file !== this.#daemonLog).map((file) => since(file, TAIL_BYTES)));
    const log = await since(this.#daemonLog, DAEMON_TAIL_BYTES);
    return { worker, pid, atMs, ...lastExit(log, this.#name, pmId), words: said.join('') + wordsOf(log, pid) };
  }
}

/** Pure: the last end of a process that PM2's log tells. PM2 says SIGINT of one that ended by itself. */
export function lastExit(log: string, name: string, pmId: number): Pick<Ending, 'code' | 'signal'> {
  const start = `App [${name}:${pmId}] exited with code [`;
  const end = log.slice(log.lastIndexOf(start) + start.length);
  const [, code, signal] = (log.includes(start) && /^(\d+)\] via signal \[(\w+)\]/.exec(end)) || [];
  if (code === undefined || signal === undefined) return { code: null, signal: null };
  return Number(code) === 0 && signal !== 'SIGINT' ? { code: null, signal } : { code: Number(code), signal: null };
}

/**
 * Pure: what V8 wrote into PM2's log when this process ended; '' where it is not certain whose words they are. They
 * begin with its last collections, `[PID:ISOLATE] 188 ms: Mark-Compact …`, and end where PM2 tells its end.
 */
export function wordsOf(log: string, pid: number): string {
  const at = log.indexOf(`[${pid}:0x`);
  if (at < 0) return '';
  const end = log.indexOf('] exited with code [', at);
  return log.slice(at, end < 0 ? undefined : log.lastIndexOf('\n', end) + 1);
}

const sizeOf = (file: string): Promise<number> => stat(file).then(({ size }) => size, () => 0);

/** What has been written since the file had so many bytes; all of one that has been begun anew, as by pm2-logrotate. */
async function readSince(path: string, size: number, most: number): Promise<string> {
  const file = await open(path, 'r').catch(() => null);
  if (!file) return '';
  try {
    const now = (await file.stat()).size;
    const from = Math.max(size > now ? (size === Infinity ? now : 0) : size, now - most);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(now - from), 0, now - from, from);
    return wholeLines(buffer.toString('utf8', 0, bytesRead), now - from === most);
  } catch {
    return '';
  } finally {
    await file.close();
  }
}
