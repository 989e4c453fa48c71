import { createHmac, randomBytes } from 'node:crypto';

/** What was found out of a name and a password; `busy`: too many others wait to be told. */
export type Verdict = 'right' | 'wrong' | 'busy';

/** Answers that are remembered, of each kind: whoever guesses pushes nobody out who knows. */
const MOST_KEPT = 100;
const MOST_WAITING = 32;
/** 53 characters of salt and hash, of a password that nobody has. */
const NOBODYS = 'QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi';

/**
 * Who may read. As in the toolkit, bcrypt is asked once for a user, hash and password, and an unknown user takes as long
 * as a known one.
 */
export class Users {
  readonly #compare: (password: string, hash: string) => Promise<boolean>;
  /** Answers are kept by digests under a key that nobody else has: memory holds no password. */
  readonly #secret = randomBytes(32);
  readonly #known = { right: new Set<string>(), wrong: new Set<string>() };
  readonly #asked = new Map<string, Promise<Verdict>>();

  constructor(compare: (password: string, hash: string) => Promise<boolean>) {
    this.#compare = compare;
  }

  /** `hashes` by user, as the web config has them now. Rejects as `compare` does. */
  async check(hashes: ReadonlyMap<string, string>, user: string, password: string): Promise<Verdict> {
    const own = hashes.get(user);
    const hash = own ?? `${costliest(hashes)}${NOBODYS}`;
    const key = createHmac('sha256', this.#secret).update(JSON.stringify([user, hash, password])).digest('base64');
    for (const verdict of ['right', 'wrong'] as const) {
      const kept = this.#known[verdict];
      if (!kept.delete(key)) continue;
      kept.add(key); // the newest again
      return verdict;
    }
    const asked = this.#asked.get(key);
    if (asked) return asked;
    if (this.#asked.size >= MOST_WAITING) return 'busy';
    const answer = this.#compare(password, hash).then((isRight): Verdict => {
      const verdict = isRight && own !== undefined ? 'right' : 'wrong';
      const kept = this.#known[verdict].add(key);
      if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value!);
      return verdict;
    });
    this.#asked.set(key, answer);
    void answer.catch(() => {}).then(() => this.#asked.delete(key));
    return answer;
  }
}

/** `$2b$12$` of the hash that takes longest. */
function costliest(hashes: ReadonlyMap<string, string>): string {
  const costs = [...hashes.values()].map((hash) => hash.slice(4, 6)).toSorted();
  return `$2b$${costs.at(-1) ?? '10'}$`;
}
