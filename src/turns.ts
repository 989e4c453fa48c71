/** Work of one key, one after the other: each begins when all that came before it has ended, however it ended. */
export class Turns {
  /** The last of each key, under way or waiting. */
  readonly #last = new Map<string, Promise<unknown>>();

  /** Resolves and rejects as `work` does. */
  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = Promise.resolve(this.#last.get(key)).catch(() => {}); // whoever asked for it has been told
    const turn = before.then(work);
    this.#last.set(key, turn);
    const forget = (): void => {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    turn.then(forget, forget);
    return turn;
  }
}
