const MAX_NAMES = 64;
/** V8's spaces (`new_large_object`) and Node's types of resources (`TCPServerWrap`; of QUIC `Endpoint::UDP`). */
const NAME = /^[A-Za-z]\w*(?:::\w+)*$/;

/**
 * The names by which one connection has ever counted something. Each becomes a label, and Prometheus keeps a series of
 * it for ever: what is beyond the first 64, or no name, is `other`. It is no breach of the protocol: a Node.js to come
 * may have names that nobody has thought of.
 */
export class KnownNames {
  readonly #names = new Set<string>();

  /** The same amounts by known names; those of all the others together. */
  bounded(amounts: Readonly<Record<string, number>>): Record<string, number> {
    const bounded = new Map<string, number>();
    for (const [name, amount] of Object.entries(amounts)) {
      const known = this.#isKnown(name) ? name : 'other';
      bounded.set(known, Math.min((bounded.get(known) ?? 0) + amount, Number.MAX_VALUE));
    }
    return Object.fromEntries(bounded);
  }

  #isKnown(name: string): boolean {
    if (this.#names.has(name)) return true;
    if (this.#names.size >= MAX_NAMES || !NAME.test(name)) return false;
    this.#names.add(name);
    return true;
  }
}
