import type { Socket } from 'node:net';
import { underAny } from '../abort.js';
import { LineReader } from '../agent/lines.cjs';
import {
  MAX_FRAME_BYTES,
  PROTOCOL_VERSION,
  type EvidenceFile,
  type HelloFrame,
  type RuntimeStats,
  type WardenFrame,
} from '../agent/protocol.cjs';
import type { Clock } from '../clock.js';
import type { Drained } from '../supervisors/contract.js';
import { NOT_DRAINED } from '../supervisors/drain.js';
import { BadFrame, parseAgentFrame } from './agent-frames.js';
import { FrameBudget } from './frame-budget.js';
import { KnownNames } from './known-names.js';

/** What an agent has told; times are `clock.monotonic()` when the warden read it, but for the last one. */
export interface AgentReport {
  pid: number;
  /** Node.js version without the `v`. */
  node: string;
  app: string;
  /** The agent's own version; absent where it is older than that word. */
  version?: string;
  /** When this connection began it took no new connections any more: HelloFrame.draining. */
  wasDrained?: true;
  connectedAt: number;
  /** The last time the loop is known to have turned. */
  heartbeatAt: number;
  /** Null while its inspector is not open. */
  inspectorPort: number | null;
  stats: RuntimeStats | null;
  statsAt: number | null;
  /**
   * The heartbeat as a time of day, for others to read; milliseconds since the epoch. By the clock as it goes now, and
   * not before the warden itself could hear.
   */
  heartbeatAtMs: number;
}

/** A process that turns its loop says within this many milliseconds that it has heard; a frozen one never does. */
const HEARD_MS = 500;
/** For what nobody waits for: one that has just begun to sample its allocations stands still for a moment. */
const PATIENT_MS = 5000;
/** For a hello, in milliseconds: a true agent sends it as it connects. */
const HELLO_MS = 10_000;
/**
 * Beats that one ack may stand for: it wakes the app, and costs us as much as reading them. Far fewer than the frames
 * that an agent sends without one (32), and than the beats after which it takes us for stuck (30). Stats are
 * acknowledged at once: few of them fill a small buffer (macOS, connection.cts).
 */
const BEATS_PER_ACK = 8;
/** For the last word of a drain to arrive, in milliseconds. */
const LAST_WORD_MS = 500;

/** Something asked of an agent that it says to have heard, and later may say to have done. */
interface Errand {
  heard: AbortController;
  over: AbortController;
  drained: Drained;
  /** Of a gather. */
  lacks: string[] | null;
}

/** What an agent is to write, and where. */
export interface GatherOrder {
  folder: string;
  files: readonly EvidenceFile[];
}

/** What the warden makes of a hello. */
export interface Introduction {
  /** Of the agent's process, as the warden sees it. */
  pid: number;
  statsIntervalMs: number;
}

export interface AgentConnectionEvents {
  /** The first good frame; throws BadFrame, or rejects with it, to refuse the agent. Only one a connection. */
  hello(connection: AgentConnection, hello: HelloFrame): Introduction | Promise<Introduction>;
  /** The agent broke the protocol; the connection is being closed. */
  bad(connection: AgentConnection, why: string): void;
  closed(connection: AgentConnection): void;
}

/** The warden's end of one agent's connection. */
export class AgentConnection {
  /** Null until the agent has said who it is. */
  report: AgentReport | null = null;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #events: AgentConnectionEvents;
  readonly #lines = new LineReader(MAX_FRAME_BYTES);
  readonly #budget: FrameBudget;
  /** Ends a connection that says nothing. */
  readonly #helloTimer: NodeJS.Timeout;
  /** By number of the request. */
  readonly #waiting = new Map<number, AbortController>();
  readonly #errands = new Map<number, Errand>();
  readonly #spaces = new KnownNames();
  readonly #resources = new KnownNames();
  #saidHello = false;
  #lastRequest = 0;
  /** Frames up to this one have been acknowledged. */
  #acknowledged = 0;
  #answered = 0;

  constructor(socket: Socket, clock: Clock, events: AgentConnectionEvents) {
    this.#socket = socket;
    this.#clock = clock;
    this.#events = events;
    this.#budget = new FrameBudget(() => clock.monotonic());
    this.#helloTimer = setTimeout(() => socket.destroy(), HELLO_MS).unref();
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      clearTimeout(this.#helloTimer);
      for (const answer of this.#waiting.values()) answer.abort();
      for (const { over } of this.#errands.values()) over.abort();
      events.closed(this);
    });
  }

  get hasSaidHello(): boolean {
    return this.#saidHello;
  }

  welcome(statsIntervalMs: number): void {
    this.#write({ type: 'welcome', protocol: PROTOCOL_VERSION, stats_interval_ms: statsIntervalMs });
  }

  /** Stats read after this call; null where none come within `timeoutMs`. */
  async sample(timeoutMs: number): Promise<AgentReport | null> {
    if (!this.#canTake()) return null;
    const request = (this.#lastRequest += 1);
    const answer = new AbortController();
    this.#waiting.set(request, answer);
    this.#write({ type: 'sample', request });
    await this.#clock.sleep(timeoutMs, answer.signal);
    this.#waiting.delete(request);
    return this.#answered >= request ? this.report : null;
  }

  /**
   * Asks the process to take no new connections and to finish its requests. True when no connection is left; false
   * where some are after `timeoutMs`, where the agent may not know of all, and at once where it does not hear, being
   * frozen.
   */
  async drain(timeoutMs: number): Promise<Drained> {
    const done = this.#send((request) => ({ type: 'drain', request, timeout_ms: timeoutMs }), async (errand) => {
      await this.#clock.sleep(timeoutMs + LAST_WORD_MS, errand.over.signal);
      return errand.drained;
    });
    return (await done) ?? NOT_DRAINED;
  }

  /** Asks the process to drain, within `timeoutMs`, when a stop signal comes. True when it has heard. */
  async arm(timeoutMs: number): Promise<boolean> {
    return (await this.#send((request) => ({ type: 'arm', request, timeout_ms: timeoutMs }), async () => true)) ?? false;
  }

  /** Asks the process to sample its allocations, or no more. True when it has heard. */
  async profile(on: boolean): Promise<boolean> {
    return (await this.#send((request) => ({ type: 'profile', request, on }), async () => true, PATIENT_MS)) ?? false;
  }

  /** Asks the process to collect its garbage soon. True when it has heard. */
  async collect(): Promise<boolean> {
    return (await this.#send((request) => ({ type: 'collect', request }), async () => true, PATIENT_MS)) ?? false;
  }

  /** What could not be written, and why; null where the process has not said so within `timeoutMs`. */
  gather({ folder, files }: GatherOrder, timeoutMs: number): Promise<string[] | null> {
    const frame = (request: number): WardenFrame => ({ type: 'gather', request, folder, files: [...files] });
    // One that nears the end of its heap collects garbage for seconds: the answer is all that is waited for.
    const wait = async (errand: Errand): Promise<string[] | null> => {
      await this.#clock.sleep(timeoutMs, errand.over.signal);
      return errand.lacks;
    };
    return this.#send(frame, wait, timeoutMs);
  }

  /** Null where it was not heard in time. */
  async #send<T>(
    frame: (request: number) => WardenFrame,
    then: (errand: Errand) => Promise<T>,
    heardMs = HEARD_MS,
  ): Promise<T | null> {
    if (!this.#canTake()) return null;
    const request = (this.#lastRequest += 1);
    const errand: Errand = { heard: new AbortController(), over: new AbortController(), drained: NOT_DRAINED, lacks: null };
    this.#errands.set(request, errand);
    this.#write(frame(request));
    await underAny([errand.heard.signal, errand.over.signal], (signal) => this.#clock.sleep(heardMs, signal));
    const done = errand.heard.signal.aborted ? await then(errand) : null;
    this.#errands.delete(request);
    return done;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    try {
      const lines = this.#lines.push(chunk);
      if (!lines) throw new BadFrame(`a line is longer than ${MAX_FRAME_BYTES} bytes`);
      if (!this.#budget.take(lines.length, chunk.length)) throw new BadFrame('it says more than any agent does');
      let n = 0;
      const statsBefore = this.report?.stats;
      for (const line of lines) n = this.#take(line) ?? n;
      const isDue = this.report?.stats !== statsBefore || n - this.#acknowledged >= BEATS_PER_ACK;
      if (n === 0 || !isDue || !this.#canTake()) return;
      this.#acknowledged = n;
      this.#write({ type: 'ack', n });
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    if (!(error instanceof BadFrame)) throw error;
    if (this.#socket.destroyed) return;
    this.#socket.destroy();
    this.#events.bad(this, error.message);
  }

  /** The number of a beat or stats frame, else null. */
  #take(line: string): number | null {
    const frame = parseAgentFrame(line);
    if (!frame) return null;
    const now = this.#clock.monotonic();
    const heard = { heartbeatAt: now, heartbeatAtMs: this.#clock.now() };
    if (frame.type === 'hello') {
      if (this.#saidHello) throw new BadFrame('a second hello');
      this.#saidHello = true;
      clearTimeout(this.#helloTimer);
      const begin = ({ pid, statsIntervalMs }: Introduction) => {
        const { node, app, agent, draining } = frame;
        const version = agent === undefined ? {} : { version: agent };
        const who = { pid, node, app, ...version, ...(draining ? { wasDrained: draining } : {}) };
        this.report = { ...who, connectedAt: now, ...heard, inspectorPort: null, stats: null, statsAt: null };
        this.welcome(statsIntervalMs);
      };
      const answer = this.#events.hello(this, frame);
      if (answer instanceof Promise) void answer.then(begin).catch((error: unknown) => this.#refuse(error));
      else begin(answer);
      return null;
    }
    if (!this.#saidHello) throw new BadFrame('no hello first');
    // While its process is looked for; what it says meanwhile is acknowledged with what it says next.
    if (!this.report) return null;
    this.report = { ...this.report, ...heard };
    if (frame.type === 'beat') this.report.inspectorPort = frame.inspector_port ?? null;
    if (frame.type === 'heard') this.#errands.get(frame.request)?.heard.abort();
    if (frame.type === 'drained') {
      const errand = this.#errands.get(frame.request);
      if (errand) errand.drained = { complete: frame.complete, deaf: frame.deaf === true };
      errand?.over.abort();
    }
    if (frame.type === 'gathered') {
      const errand = this.#errands.get(frame.request);
      if (errand) errand.lacks = frame.lacks;
      errand?.over.abort();
    }
    if (frame.type === 'stats') {
      const heap_spaces = this.#spaces.bounded(frame.stats.heap_spaces);
      const active_resources = this.#resources.bounded(frame.stats.active_resources);
      this.report = { ...this.report, stats: { ...frame.stats, heap_spaces, active_resources }, statsAt: now };
      if (frame.request !== undefined) this.#answer(frame.request);
    }
    return 'n' in frame ? frame.n : null;
  }

  #answer(newest: number): void {
    this.#answered = newest;
    for (const [request, answer] of this.#waiting) if (request <= newest) answer.abort();
  }

  /** False while an agent does not read: what it need not hear is not kept for it. An ack covers those before it. */
  #canTake(): boolean {
    return this.#socket.writable && this.#socket.writableLength === 0;
  }

  #write(frame: WardenFrame): void {
    this.#socket.write(`${JSON.stringify(frame)}\n`);
  }
}
