/** Pure: every request has exactly one end, and they add up. */

/** `ok`; `hanging`, no whole answer in time; else why it failed: an error's code, `status 503`, `cut short`. */
export type RequestEnd = 'ok' | 'hanging' | (string & {});

export interface TallyReport {
  sent: number;
  ok: number;
  hanging: number;
  failed: number;
  /** Failed requests by why. */
  failures: Record<string, number>;
}

export class Tally {
  #sent = 0;
  readonly #ends = new Map<RequestEnd, number>();

  send(): void {
    this.#sent += 1;
  }

  end(how: RequestEnd): void {
    this.#ends.set(how, (this.#ends.get(how) ?? 0) + 1);
  }

  /** Throws where a request has not ended, or has ended twice. */
  report(): TallyReport {
    const { ok = 0, hanging = 0, ...failures } = Object.fromEntries(this.#ends) as Record<string, number>;
    const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
    if (ok + hanging + failed !== this.#sent) {
      throw new Error(`${this.#sent} requests were sent, but ${ok + hanging + failed} have an end`);
    }
    return { sent: this.#sent, ok, hanging, failed, failures };
  }
}
