/** What has changed: `status` and `apps` with every round of measurement. */
export type Change = 'status' | 'apps' | 'incidents';

type Listener = (changes: readonly Change[]) => void;

/** Tells those who look on that there is something new to be seen. */
export class Changes {
  readonly #listeners = new Set<Listener>();

  /** What ends it is returned. */
  on(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Listeners must not throw. */
  tell(...changes: readonly Change[]): void {
    for (const listener of this.#listeners) listener(changes);
  }
}
