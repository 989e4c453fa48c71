import { Socket } from 'node:net';
import { openInspector } from './inspector.cjs';
import { LineReader } from './lines.cjs';
import { MAX_FRAME_BYTES, type AgentFrame, type EvidenceFile, type HelloFrame, type RuntimeStats, type WardenFrame } from './protocol.cjs';
import { quietly } from './quietly.cjs';
import { clearInterval, setImmediate, setInterval } from './timers.cjs';

const BEAT_MS = 1000;
const DEFAULT_STATS_MS = 5000;
/** A warden that asks for stats more often than this would cost the app. */
const MIN_STATS_MS = 100;
const MAX_STATS_MS = 3_600_000;
/** Node's timers overflow beyond 24 days; nobody waits that long for a drain. */
const MAX_DRAIN_MS = 3_600_000;
/** Beats without a word from the warden until it counts as stuck. Beats, not time: a frozen app hears nothing. */
const MAX_SILENT_BEATS = 30;
const MAX_UNREAD_FRAMES = 32;
/**
 * Must fit the kernel's buffer, since a write that waits keeps the app alive: 208 KiB on Linux (net.core.wmem_default),
 * 64 KiB for Windows' pipes, 8 KiB on macOS and the BSDs (net.local.stream.sendspace).
 */
const MAX_UNREAD_BYTES = ['linux', 'win32'].includes(process.platform) ? 65_536 : 8192;

/** As it was when the agent came: who traces an app's connections would find each attempt to reach a warden among them. */
const connect: (this: Socket, to: { path: string }) => Socket = Socket.prototype.connect;

export interface AgentSource {
  hello(): HelloFrame;
  stats(): RuntimeStats;
  /** See Drainage. */
  drain(timeoutMs: number): Promise<boolean>;
  isDeaf(): boolean;
  /** See StopSignals. */
  arm(timeoutMs: number): void;
  /** See Evidence. */
  profile(on: boolean): void;
  /** See collect.cts. */
  collect(): void;
  gather(folder: string, files: readonly EvidenceFile[]): string[];
}

/** One connection to a warden, from connect to close. Keeps the app alive for no longer than the connect itself. */
export class Connection {
  /** The other side has spoken the protocol. */
  welcomed = false;
  readonly #source: AgentSource;
  readonly #socket: Socket;
  readonly #lines = new LineReader(MAX_FRAME_BYTES);
  readonly #beatTimer: NodeJS.Timeout;
  #statsTimer: NodeJS.Timeout | undefined;
  #silentBeats = 0;
  #lastFrame = 0;
  readonly #unread: { n: number; bytes: number }[] = [];
  #unreadBytes = 0;

  /** `onClose` is called once, and never from within the constructor. */
  constructor(path: string, source: AgentSource, onClose: () => void) {
    this.#source = source;
    this.#socket = connect.call(new Socket(), { path });
    this.#socket.unref();
    this.#socket.on('connect', quietly(() => this.#open()));
    this.#socket.on('data', quietly((chunk: Buffer) => this.#read(chunk)));
    this.#socket.on('error', () => {}); // 'close' follows
    this.#socket.on('close', quietly(() => {
      clearInterval(this.#beatTimer);
      clearInterval(this.#statsTimer);
      onClose();
    }));
    this.#beatTimer = setInterval(quietly(() => this.#beat()), BEAT_MS).unref();
  }

  #open(): void {
    this.#write(encode(this.#source.hello()));
    this.#sendStatsEvery(DEFAULT_STATS_MS);
  }

  #beat(): void {
    this.#silentBeats += 1;
    if (this.#silentBeats > MAX_SILENT_BEATS) this.#socket.destroy();
    else this.#send((n) => ({ type: 'beat', n, ...openInspector() }));
  }

  #sendStatsEvery(ms: number): void {
    clearInterval(this.#statsTimer);
    this.#statsTimer = setInterval(quietly(() => this.#sendStats()), ms).unref();
  }

  #sendStats(request?: number): void {
    const asked = request === undefined ? {} : { request };
    this.#send((n) => ({ type: 'stats', n, ...asked, stats: this.#source.stats() }));
  }

  #read(chunk: Buffer): void {
    this.#silentBeats = 0;
    const frames = this.#lines.push(chunk)?.map(decode);
    if (!frames || frames.includes(null)) {
      this.#socket.destroy();
      return;
    }
    let request: number | undefined;
    let statsDue = false;
    for (const frame of frames) {
      if (frame?.type === 'ack') this.#acknowledge(frame.n);
      if (frame?.type === 'sample') request = frame.request;
      if (frame?.type === 'drain') this.#drain(frame.request, drainMs(frame.timeout_ms));
      if (frame?.type === 'arm') {
        this.#source.arm(drainMs(frame.timeout_ms));
        this.#tell({ type: 'heard', request: frame.request });
      }
      if (frame?.type === 'profile') {
        this.#tell({ type: 'heard', request: frame.request });
        this.#source.profile(frame.on === true);
      }
      if (frame?.type === 'collect') {
        this.#tell({ type: 'heard', request: frame.request });
        this.#source.collect();
      }
      if (frame?.type === 'gather') this.#gather(frame.request, frame.folder, frame.files);
      if (frame?.type === 'welcome' && typeof frame.stats_interval_ms === 'number') {
        this.welcomed = true;
        statsDue = true;
        this.#sendStatsEvery(Math.min(MAX_STATS_MS, Math.max(MIN_STATS_MS, frame.stats_interval_ms)));
      }
    }
    // One answer to all that piled up while the app was busy.
    if (statsDue || request !== undefined) this.#sendStats(request);
  }

  #drain(request: number, timeoutMs: number): void {
    this.#tell({ type: 'heard', request });
    const tell = quietly((complete: boolean) => {
      this.#tell({ type: 'drained', request, complete, ...(this.#source.isDeaf() ? { deaf: true } : {}) });
    });
    void Promise.resolve()
      .then(() => this.#source.drain(timeoutMs))
      .then(tell, () => tell(false));
  }

  #gather(request: number, folder: string, files: readonly EvidenceFile[]): void {
    this.#tell({ type: 'heard', request });
    // In a turn of its own: that it has been heard goes out before the app is held.
    setImmediate(quietly(() => this.#tell({ type: 'gathered', request, lacks: this.#source.gather(folder, files) })));
  }

  /** Frames without a number: few, small, and asked for. */
  #tell(frame: AgentFrame): void {
    if (this.#socket.readyState === 'open') this.#write(encode(frame));
  }

  #acknowledge(n: number): void {
    while (this.#unread[0] && this.#unread[0].n <= n) this.#unreadBytes -= this.#unread.shift()!.bytes;
  }

  #send(make: (n: number) => AgentFrame): void {
    if (this.#socket.readyState !== 'open' || this.#unread.length >= MAX_UNREAD_FRAMES) return;
    const line = encode(make(this.#lastFrame + 1));
    if (this.#unreadBytes + line.length > MAX_UNREAD_BYTES) return;
    this.#lastFrame += 1;
    this.#unread.push({ n: this.#lastFrame, bytes: line.length });
    this.#unreadBytes += line.length;
    this.#write(line);
  }

  #write(line: Buffer): void {
    this.#socket.write(line);
    // The kernel took less than the whole, and the rest would keep the app alive. Windows always writes later.
    if (this.#socket.writableLength > 0 && process.platform !== 'win32') this.#socket.destroy();
  }
}

const drainMs = (ms: unknown): number => Math.min(MAX_DRAIN_MS, Math.max(0, Number(ms) || 0));

function encode(frame: AgentFrame): Buffer {
  return Buffer.from(`${JSON.stringify(frame)}\n`);
}

/** Null where the line is no JSON object. Its fields are the warden's word, to be checked where it matters. */
function decode(line: string): WardenFrame | null {
  try {
    const frame: unknown = JSON.parse(line);
    return typeof frame === 'object' ? (frame as WardenFrame | null) : null;
  } catch {
    return null;
  }
}
