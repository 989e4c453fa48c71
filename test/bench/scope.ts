/** The life of one bench run: what a tap test is to the helpers that start real parts, without tap. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Scope {
  readonly #endings: (() => unknown)[] = [];
  readonly #aborting = new AbortController();
  #failed = false;
  readonly #onSignal = (signal: string) => this.#aborting.abort(new Error(`ended by ${signal}`));

  /** SIGINT and SIGTERM abort `signal` from here on, so that the run ends by way of close(). */
  constructor() {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#aborting.signal;
  }

  teardown(ending: () => unknown): void {
    this.#endings.push(ending);
  }

  testdir(): string {
    const dir = mkdtempSync(join(tmpdir(), 'hw-bench-'));
    this.teardown(() => rmSync(dir, { recursive: true, force: true }));
    return dir;
  }

  /** What the real parts have said is then shown. */
  fail(): void {
    this.#failed = true;
  }

  passing(): boolean {
    return !this.#failed;
  }

  comment(text: string): void {
    console.error(text);
  }

  /** Ends everything, the last first. Throws after that what could not be ended. */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    for (const ending of this.#endings.splice(0).toReversed()) {
      try {
        await ending();
      } catch (error) {
        errors.push(error);
      }
    }
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, this.#onSignal);
    if (errors.length > 0) throw new AggregateError(errors, 'the bench has left something behind');
  }
}

/** Runs `work` with a scope of its own, and ends what it has started. */
export async function inScope<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  try {
    return await work(scope);
  } catch (error) {
    scope.fail();
    throw error;
  } finally {
    await scope.close();
  }
}
