/**
 * What PM2's daemon says on its sockets. Nothing here starts a daemon: one that is not there is an error.
 *
 * Messages are AMP (pm2-amp.ts). On top of it axon (https://github.com/tj/axon, axon-rpc), learnt by reading what PM2
 * sends, gives arguments a type by two leading bytes, `j:` JSON and `s:` text. A call is [{type: 'call', method, args},
 * id]; its answer is [{args: [result]} or {error, stack}, id]. A message of the bus is [topic, data].
 */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { HeapwardenError } from '../errors.js';
import { formatElapsed } from '../units.js';
import { AmpDecoder, encodeAmp } from './pm2-amp.js';

/** A process as PM2 lists it. */
export interface Pm2Process {
  pmId: number;
  name: string;
  /** PM2's word (see statusOf): online, launching, stopping, stopped, errored, `waiting restart`, one-launch-status. */
  status: string;
  /** null where PM2 holds no live process; it keeps the pid of a dead one while it waits to start the next. */
  pid: number | null;
  /** In cluster mode, where PM2's daemon holds the port and its processes share it. */
  clustered: boolean;
  /** Whether PM2 waits for the app's `ready` message before it answers a restart (wait_ready). */
  waitsReady: boolean;
  /** Milliseconds that PM2 waits for a new process to be ready (listen_timeout). */
  listenTimeoutMs: number;
  /** When PM2 started it, in milliseconds since the Unix epoch. */
  startedAtMs: number;
  /** Paths of the files into which PM2 writes its output. */
  logs: string[];
  /** The process whose place it holds, as it was then, where it is a stand-in of ours (pm2-graceful.ts). */
  standsInFor: { pmId: number; pid: number } | null;
}

/** The variable by which a stand-in is known, in PM2 and to itself. Its value is `ID:PID` of whom it stands in for. */
export const STAND_IN_VARIABLE = 'HEAPWARDEN_STAND_IN';
/** PM2's GRACEFUL_LISTEN_TIMEOUT (constants.js). */
const LISTEN_TIMEOUT_MS = 3000;

export interface Pm2ClientOptions {
  /** PM2_HOME. */
  home: string;
  clock: Clock;
  /** Milliseconds to an answer; default 5000. */
  timeoutMs?: number;
  platform?: NodeJS.Platform;
}

/**
 * Calls to one PM2 daemon. A connection lives for one call, so that there is no state to repair when the daemon goes
 * and comes back. Calls throw HeapwardenError SUPERVISOR_UNREACHABLE, or SUPERVISOR_REFUSED with PM2's text.
 */
export class Pm2Client {
  readonly timeoutMs: number;
  readonly #clock: Clock;
  readonly #paths: { rpc: string; bus: string };
  readonly #sockets = new Set<Socket>();
  #listing: Promise<Pm2Process[]> | null = null;

  constructor({ home, clock, timeoutMs = 5000, platform = process.platform }: Pm2ClientOptions) {
    this.timeoutMs = timeoutMs;
    this.#clock = clock;
    // PM2's paths.js: on Windows its pipes have these names whatever PM2_HOME is.
    const pathOf = (name: string) => (platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(home, name));
    this.#paths = { rpc: pathOf('rpc.sock'), bus: pathOf('pub.sock') };
  }

  /** All processes of this PM2. Callers at the same time share one call. */
  list(): Promise<Pm2Process[]> {
    this.#listing ??= this.listNow().finally(() => (this.#listing = null));
    return this.#listing;
  }

  /**
   * All processes, asked for after this call was made.
   *
   * getMonitorData also runs pidusage, which we do not need (it says 0 bytes where it fails). The only other methods
   * that answer with the list have effects: resetMetaProcessId, and sendSignalToProcessId, which would do with signal 0
   * but fails and writes to PM2's log when that one process has gone. For 103 processes (412 kB) they took 8 and 6 ms
   * of the daemon's CPU time: the cost is the list itself, not pidusage.
   */
  async listNow(): Promise<Pm2Process[]> {
    return (await this.#entries()).map(toProcess).filter((found) => found !== null);
  }

  /** The same, each with all that PM2 knows of it (its pm2_env). */
  async listWithSettings(): Promise<{ process: Pm2Process; settings: Record<string, unknown> }[]> {
    return (await this.#entries()).flatMap((entry) => {
      const process = toProcess(entry);
      return process ? [{ process, settings: (entry as { pm2_env: Record<string, unknown> }).pm2_env }] : [];
    });
  }

  /** All that PM2 knows of a process (its pm2_env); null where it has none of this id. */
  async settings(pmId: number): Promise<Record<string, unknown> | null> {
    const entries = (await this.#entries()) as ({ pm_id?: unknown; pm2_env?: Record<string, unknown> } | null)[];
    return entries.find((entry) => entry?.pm_id === pmId)?.pm2_env ?? null;
  }

  async #entries(): Promise<unknown[]> {
    const list = await this.call('getMonitorData', {});
    if (!Array.isArray(list)) throw this.#unreachable('it answers, but not as PM2 does');
    return list;
  }

  /** The result of one RPC. Rejects with the signal's reason where that aborts first. */
  call(method: string, argument: object | number, timeoutMs = this.timeoutMs, signal?: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = new AbortController();
      const socket = this.#open(
        this.#paths.rpc,
        ([answer]) => {
          const { error, args } = parseJson(answer) as { error?: unknown; args?: unknown[] };
          const text = typeof error === 'string' ? error : JSON.stringify(error);
          if (error === undefined) resolve(args?.[0]);
          else reject(new HeapwardenError('SUPERVISOR_REFUSED', `PM2 refused ${method}: ${text}`));
          socket.destroy();
        },
        (why) => {
          timer.abort();
          signal?.removeEventListener('abort', abort);
          reject(signal?.aborted ? signal.reason : this.#unreachable(why));
        },
      );
      const abort = () => socket.destroy();
      if (signal?.aborted) abort();
      signal?.addEventListener('abort', abort, { once: true });
      const give = `no answer within ${formatElapsed(timeoutMs)}`;
      void this.#clock.sleep(timeoutMs, timer.signal).then(() => socket.destroy(new Error(give)));
      // The id says which answer belongs to which call of a connection; ours has one.
      socket.write(encodeAmp([json({ type: 'call', method, args: [argument] }), Buffer.from('s:0')]));
    });
  }

  /** What PM2 publishes under these topics, until the returned function is called. An unreadable bus says nothing. */
  watchBus(topics: Record<string, (data: object) => void>): () => void {
    const socket = this.#open(this.#paths.bus, ([topic, data]) => {
      // The bus also carries the output of all apps: only what is asked for is parsed.
      topics[topic?.toString().slice(2) ?? '']?.(parseJson(data));
    });
    return () => socket.destroy();
  }

  /** Breaks off all calls. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy(new Error('broken off'));
  }

  #open(path: string, onMessage: (args: Buffer[]) => void, onClose: (why: string) => void = () => {}): Socket {
    const socket = connect(path);
    const decoder = new AmpDecoder();
    let why = 'it hung up';
    this.#sockets.add(socket);
    socket.on('data', (chunk) => {
      try {
        for (const args of decoder.push(chunk)) onMessage(args);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => (why = error.code ?? error.message));
    socket.on('close', () => {
      this.#sockets.delete(socket);
      onClose(why);
    });
    return socket;
  }

  #unreachable(why: string): HeapwardenError {
    return new HeapwardenError(
      'SUPERVISOR_UNREACHABLE',
      `PM2 does not answer at ${this.#paths.rpc} (${why}); is its daemon running as this user? ` +
        'Set PM2_HOME where its files are elsewhere.',
    );
  }
}

const json = (value: unknown) => Buffer.from(`j:${JSON.stringify(value)}`);

function parseJson(arg: Buffer | undefined): object {
  const text = arg?.toString() ?? '';
  const value: unknown = text.startsWith('j:') ? JSON.parse(text.slice(2)) : null;
  if (typeof value !== 'object' || value === null) throw new Error('it answers, but not as PM2 does');
  return value;
}

/** Null for an entry without an id, which PM2 does not make. PM2 writes pid 0 for none. */
function toProcess(entry: unknown): Pm2Process | null {
  const { pm_id: pmId, name, pid, pm2_env } = (entry ?? {}) as Record<string, unknown>;
  const env = (pm2_env ?? {}) as Record<string, unknown>;
  if (typeof pmId !== 'number' || typeof name !== 'string' || typeof env['status'] !== 'string') return null;
  const status = statusOf(env['status'], pid, env['created_at']);
  const lives = status !== 'stopped' && status !== 'waiting restart';
  const [, ofPmId, ofPid] = /^(\d+):(\d+)$/.exec(String(env[STAND_IN_VARIABLE])) ?? [];
  return {
    pmId,
    name,
    status,
    pid: lives && typeof pid === 'number' && pid > 0 ? pid : null,
    clustered: env['exec_mode'] === 'cluster_mode',
    waitsReady: Boolean(env['wait_ready']),
    listenTimeoutMs: Number(env['listen_timeout'] || LISTEN_TIMEOUT_MS),
    startedAtMs: Number(env['pm_uptime'] ?? 0),
    logs: [env['pm_out_log_path'], env['pm_err_log_path']].filter((path) => typeof path === 'string'),
    standsInFor: ofPmId && ofPid ? { pmId: Number(ofPmId), pid: Number(ofPid) } : null,
  };
}

/**
 * Where an app has a restart_delay or exp_backoff_restart_delay, PM2 writes `waiting restart` over `errored` and
 * `stopped` too, and starts nothing (God.js, handleExit). In a true wait it keeps the pid of the process that died;
 * created_at is null only where it has given up.
 */
function statusOf(said: string, pid: unknown, createdAt: unknown): string {
  if (said !== 'waiting restart' || pid !== 0) return said;
  return createdAt === null ? 'errored' : 'stopped';
}
