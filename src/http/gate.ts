import type { FastifyReply, FastifyRequest } from 'fastify';
import type { SparseLog } from '../sparse-log.js';

export interface GateOptions {
  /** Bytes of bodies that may be inside together. */
  bytes: number;
  /** How many may wait outside; each holds what came with its headers, some 64 KiB. */
  waiting: number;
  /** How long one waits at most, in milliseconds. */
  patienceMs: number;
}

/** Lets in only so many bytes at a time, in the order in which they came: a large one is not passed over for ever. */
export class Gate {
  readonly #options: GateOptions;
  #free: number;
  readonly #waiting = new Set<{ bytes: number; letIn(): void }>();

  constructor(options: GateOptions) {
    this.#options = options;
    this.#free = options.bytes;
  }

  /**
   * Resolves with true when it is in: until `over` aborts, its bytes are taken. With false where it must not wait
   * (any longer), or was over before its turn came.
   */
  enter(bytes: number, over: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (over.aborted || this.#waiting.size >= this.#options.waiting) return resolve(false);
      const turnAway = (): void => {
        clearTimeout(timer);
        over.removeEventListener('abort', turnAway);
        this.#waiting.delete(place);
        this.#letIn(); // those behind may fit where this one did not
        resolve(false);
      };
      const letIn = (): void => {
        clearTimeout(timer);
        over.removeEventListener('abort', turnAway);
        over.addEventListener('abort', () => this.#leave(bytes), { once: true });
        resolve(true);
      };
      const timer = setTimeout(turnAway, this.#options.patienceMs);
      const place = { bytes, letIn };
      over.addEventListener('abort', turnAway);
      this.#waiting.add(place);
      this.#letIn();
    });
  }

  #leave(bytes: number): void {
    this.#free += bytes;
    this.#letIn();
  }

  #letIn(): void {
    for (const place of this.#waiting) {
      if (place.bytes > this.#free) return;
      this.#waiting.delete(place);
      this.#free -= place.bytes;
      place.letIn();
    }
  }
}

const BUSY = 'more webhook bodies came than may be held at once; the sender is told to try again';

/** Milliseconds for which a client that is inside may neither send nor read anything. */
const IDLE_MS = 3000;

/**
 * An onRequest hook, after the token's: a body stays unread, in the kernel's buffers, until the gate lets it in. Its
 * length is what it says, or `limit` bytes where it does not. Who is turned away gets a 503, of all answers the one
 * after which Alertmanager tries again.
 */
export function throughGate(gate: Gate, limit: number, log: SparseLog, idleMs = IDLE_MS) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const bytes = Number(request.headers['content-length'] ?? limit);
    if (bytes > limit) return undefined; // refused by its length, unread
    const over = new AbortController();
    reply.raw.once('close', () => over.abort()); // answered, or cut off in the middle
    if (reply.raw.destroyed) over.abort(); // before its token was compared
    if (!(await gate.enter(bytes, over.signal))) {
      if (!over.signal.aborted) log.warn('busy', BUSY);
      const message = 'heapwarden is busy with other webhook bodies; send this one again in a few seconds';
      return reply.code(503).header('Retry-After', '5').send({ error: 'busy', message });
    }
    reply.raw.setTimeout(idleMs, () => endIdle(request, reply, idleMs));
    return undefined;
  };
}

function endIdle({ raw }: FastifyRequest, reply: FastifyReply, idleMs: number): void {
  if (reply.raw.headersSent) return void reply.raw.destroy(); // it does not read its answer
  const { bytesRead } = raw.socket;
  setImmediate(() => {
    // Where the event loop was held up, what has come meanwhile is only read after its timers.
    if (raw.complete || raw.socket.bytesRead > bytesRead || reply.sent) return;
    const message = `nothing of the body came for ${idleMs / 1000} s; send it again`;
    void reply.code(503).header('Connection', 'close').send({ error: 'cut_off', message });
  });
}
