import type { Log, LogFields } from './log.js';

const EVERY_MS = 10_000;
/** Kinds at a time: some have names in them that others choose. */
const MAX_KINDS = 200;

/**
 * Says a thing at once, and what comes of its kind in the `everyMs` after that in one line, with a count. Of more than
 * 200 kinds at a time, the others are one kind for each level.
 */
export class SparseLog {
  readonly #log: Log;
  readonly #everyMs: number;
  readonly #more = new Map<string, number>();

  constructor(log: Log, everyMs = EVERY_MS) {
    this.#log = log;
    this.#everyMs = everyMs;
  }

  info(kind: string, message: string, fields: LogFields = {}): void {
    this.#say('info', kind, message, fields);
  }

  warn(kind: string, message: string, fields: LogFields = {}): void {
    this.#say('warn', kind, message, fields);
  }

  error(kind: string, message: string, fields: LogFields = {}): void {
    this.#say('error', kind, message, fields);
  }

  #say(level: 'info' | 'warn' | 'error', asked: string, message: string, fields: LogFields): void {
    const kind = this.#more.has(asked) || this.#more.size < MAX_KINDS ? asked : `any ${level}`;
    const more = this.#more.get(kind);
    if (more !== undefined) return void this.#more.set(kind, more + 1);
    this.#log[level](message, fields);
    this.#more.set(kind, 0);
    const sumUp = (): void => {
      const count = this.#more.get(kind) ?? 0;
      this.#more.delete(kind);
      if (count === 0) return;
      this.#log[level](`${message} (${count} more of this kind in the ${this.#everyMs / 1000} s after it)`, fields);
    };
    setTimeout(sumUp, this.#everyMs).unref();
  }
}
