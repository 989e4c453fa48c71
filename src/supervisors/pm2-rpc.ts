/**
 * What PM2's daemon says on its sockets. Nothing here starts a process: a daemon that is not there is an error.
 *
 * Two layers, both published by PM2's own packages and learnt by reading what they send:
 * - AMP (https://github.com/tj/node-amp) frames a message: one byte, protocol version 1 in the high nibble and the
 *   number of arguments in the low one, then for each argument its length (uint32, big endian) and its bytes.
 * - axon (https://github.com/tj/axon, axon-rpc) gives arguments a type by two leading bytes, `j:` JSON and `s:` text.
 *   A call is [{type: 'call', method, args}, id]; its answer is [{args: [result]} or {error, stack}, id].
 *   A message of the bus is [topic, data].
 */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { HeapwardenError } from '../errors.js';
import { formatElapsed } from '../units.js';

const AMP_VERSION = 1;
/** A list has some 4 kB a process, and more where environments are large (it holds them twice): room for thousands. */
const MAX_MESSAGE_BYTES = 64 * 2 ** 20;

/** One AMP message. At most 15 arguments, as their number has four bits. */
export function encodeAmp(args: readonly Buffer[]): Buffer {
  if (args.length > 15) throw new RangeError(`an AMP message holds at most 15 arguments, not ${args.length}`);
  return Buffer.concat([Buffer.of((AMP_VERSION << 4) | args.length), ...args.flatMap((arg) => [lengthOf(arg), arg])]);
}

function lengthOf(arg: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(arg.length);
  return length;
}

/** Reads as the format does; yields how many bytes it wants next. */
function* readMessages(emit: (args: Buffer[]) => void, maxBytes: number): Generator<number, never, Buffer> {
  for (;;) {
    const meta = (yield 1).readUInt8();
    if (meta >> 4 !== AMP_VERSION) throw new Error('the answer is not in the AMP format');
    const args: Buffer[] = [];
    let bytes = 0;
    for (let left = meta & 0x0f; left > 0; left--) {
      const length = (yield 4).readUInt32BE();
      bytes += length;
      if (bytes > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
      args.push(yield length);
    }
    emit(args);
  }
}

/** AMP messages out of a stream cut anywhere. Throws on what is not AMP or too large; it is of no use after that. */
export class AmpDecoder {
  readonly #reader: Generator<number, never, Buffer>;
  #wanted: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #messages: Buffer[][] = [];

  constructor(maxBytes = MAX_MESSAGE_BYTES) {
    this.#reader = readMessages((args) => this.#messages.push(args), maxBytes);
    this.#wanted = this.#reader.next().value;
  }

  /** The messages, as lists of arguments, that this chunk completes. */
  push(chunk: Buffer): Buffer[][] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= this.#wanted) this.#wanted = this.#reader.next(this.#take(this.#wanted)).value;
    return this.#messages.splice(0);
  }

  #take(count: number): Buffer {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const head = this.#chunks.shift()!;
      parts.push(head.subarray(0, left));
      if (head.length > left) this.#chunks.unshift(head.subarray(left));
      left -= Math.min(left, head.length);
    }
    this.#bytes -= count;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, count);
  }
}

/** A process as PM2 lists it. */
export interface Pm2Process {
  pmId: number;
  name: string;
  /** PM2's word: online, launching, stopping, stopped, errored, `waiting restart`, one-launch-status. */
  status: string;
  /** null where PM2 holds no live process; it keeps the pid of a dead one while it waits to start the next. */
  pid: number | null;
  /** Milliseconds that PM2 waits for the app's `ready` message before it answers a restart; 0 without wait_ready. */
  readyTimeoutMs: number;
}

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
    const list = await this.call('getMonitorData', {});
    if (!Array.isArray(list)) throw this.#unreachable('it answers, but not as PM2 does');
    return list.map(toProcess).filter((found) => found !== null);
  }

  /** The result of one RPC. Rejects with the signal's reason where that aborts first. */
  call(method: string, argument: object, timeoutMs = this.timeoutMs, signal?: AbortSignal): Promise<unknown> {
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

  /** PM2's own log, line by line, until the returned function is called. A bus that cannot be read says nothing. */
  watchLog(onLine: (line: string) => void): () => void {
    const socket = this.#open(this.#paths.bus, ([topic, data]) => {
      // The bus also carries the output of all apps: only what is ours is parsed.
      if (topic?.toString() !== 's:log:PM2') return;
      const { data: line } = parseJson(data) as { data?: unknown };
      if (typeof line === 'string') onLine(line);
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
  const { pm_id: pmId, name, pid, pm2_env: env } = (entry ?? {}) as Record<string, unknown>;
  const { status, wait_ready: waits, listen_timeout: readyTimeout } = (env ?? {}) as Record<string, unknown>;
  if (typeof pmId !== 'number' || typeof name !== 'string' || typeof status !== 'string') return null;
  const lives = status !== 'stopped' && status !== 'waiting restart';
  return {
    pmId,
    name,
    status,
    pid: lives && typeof pid === 'number' && pid > 0 ? pid : null,
    // 3000 is PM2's GRACEFUL_LISTEN_TIMEOUT (constants.js).
    readyTimeoutMs: waits ? Number(readyTimeout ?? 3000) : 0,
  };
}
