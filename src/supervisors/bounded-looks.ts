import type { Clock } from '../clock.js';
import { HeapwardenError } from '../errors.js';
import { formatElapsed } from '../units.js';

const PATIENCE_MS = 10_000;
const OVERDUE = Symbol('overdue');

/**
 * Looks at the machine that may never end: what reads a file on a dead NFS server, or the memory of a process that waits
 * for one, waits as long as that, and nothing breaks it off.
 */
export class BoundedLooks {
  readonly #clock: Pick<Clock, 'sleep'>;
  /** How many are overdue. Each holds one of the few threads that Node reads files with. */
  #overdue = 0;

  constructor(clock: Pick<Clock, 'sleep'>) {
    this.#clock = clock;
  }

  /**
   * What `look` comes to. Throws HeapwardenError SUPERVISOR_UNREACHABLE where that is overdue, and does not begin another
   * until it has ended.
   */
  async take<T>(look: () => Promise<T>): Promise<T> {
    if (this.#overdue > 0) throw unreachable();
    const over = new AbortController();
    const looking = look();
    const overdue = this.#clock.sleep(PATIENCE_MS, over.signal).then(() => OVERDUE);
    const found = await Promise.race([looking, overdue]).finally(() => over.abort());
    if (found !== OVERDUE) return found as T;
    this.#overdue += 1;
    const ended = (): void => void (this.#overdue -= 1);
    looking.then(ended, ended);
    throw unreachable();
  }
}

function unreachable(): HeapwardenError {
  const within = `its processes could not be looked for within ${formatElapsed(PATIENCE_MS)}`;
  return new HeapwardenError('SUPERVISOR_UNREACHABLE', `${within}: a process of this machine, or a disk, may hang`);
}
