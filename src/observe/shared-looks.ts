import { Turns } from '../turns.js';

/**
 * Looks that callers at the same time share. One that asks wants to know what is so now: it joins a look that has not
 * begun yet, never one that is under way. So of each key there is at most one under way and one behind it, however
 * many ask.
 */
export class SharedLooks<T> {
  readonly #turns = new Turns();
  readonly #waiting = new Map<string, Promise<T>>();

  look(key: string, begin: () => Promise<T>): Promise<T> {
    const waiting = this.#waiting.get(key);
    if (waiting) return waiting;
    const look = this.#turns.take(key, () => {
      this.#waiting.delete(key);
      return begin();
    });
    this.#waiting.set(key, look);
    return look;
  }
}
