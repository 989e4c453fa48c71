/**
 * Looks that callers at the same time share. One that asks wants to know what is so now: it joins a look that has not
 * begun yet, never one that is under way. So of each key there is at most one under way and one behind it, however
 * many ask.
 */
export class SharedLooks<T> {
  /** The last look of each key, under way or waiting. */
  readonly #last = new Map<string, Promise<T>>();
  readonly #waiting = new Map<string, Promise<T>>();

  look(key: string, begin: () => Promise<T>): Promise<T> {
    const waiting = this.#waiting.get(key);
    if (waiting) return waiting;
    const before = Promise.resolve(this.#last.get(key)).catch(() => {}); // whoever asked for it has been told
    const look = before.then(() => {
      this.#waiting.delete(key);
      return begin();
    });
    this.#waiting.set(key, look);
    this.#last.set(key, look);
    const forget = (): void => {
      if (this.#last.get(key) === look) this.#last.delete(key);
    };
    look.then(forget, forget);
    return look;
  }
}
