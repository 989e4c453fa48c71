import { HeapwardenError } from '../errors.js';
import type {
  Death, Ending, ProcessTable, RestartOptions, RestartReport, Slot, Supervisor, SupervisorKind,
} from './contract.js';

export interface ClaimParts {
  processes: ProcessTable;
  /** The apps as the config has them; of two that find the same process, it is the first one's. */
  order(): readonly string[];
}

/** What an app has found: in its slots, and beside them. */
interface Claim {
  kind: SupervisorKind;
  pids: ReadonlySet<number>;
  /** The last look, which may be under way; never rejects. */
  looking: Promise<void>;
  look(): Promise<void>;
}

/**
 * Sees to it that no process counts as two apps'. The second app is an error that names both for as long as it is so:
 * it has no figures then, and is not restarted.
 */
export class Claims {
  readonly #parts: ClaimParts;
  readonly #claims = new Map<string, Claim>();

  constructor(parts: ClaimParts) {
    this.#parts = parts;
  }

  /** The same supervisor, but for processes that an earlier app has found. */
  guard(app: string, supervisor: Supervisor): Supervisor {
    return new Guarded(app, supervisor, this);
  }

  /** Asks a supervisor and notes what it has found. Throws what it throws, and HeapwardenError SUPERVISOR_REFUSED. */
  async slots(app: string, supervisor: Supervisor): Promise<Slot[]> {
    const { slots, pids } = await this.#look(app, supervisor);
    // Those that were asked at the same time: which of the two answers first must not matter.
    await Promise.all(this.#before(app).map(([, { looking }]) => looking));
    for (const [other, claim] of this.#before(app)) {
      const shared = pids.find((pid) => claim.pids.has(pid));
      if (shared !== undefined) throw conflict([app, supervisor.kind], [other, claim.kind], `process ${shared}`);
    }
    return slots;
  }

  /** Asked anew, and with the children: who restarts one of two nested processes restarts both. */
  async mayRestart(app: string, supervisor: Supervisor, worker: string): Promise<void> {
    await Promise.all(this.#before(app).map(([, claim]) => claim.look()));
    const pid = (await this.slots(app, supervisor)).find((slot) => slot.worker === worker)?.pid ?? null;
    if (pid === null) return;
    const tree = await this.#treeOf(pid);
    for (const [other, { kind, pids }] of this.#before(app)) {
      for (const its of pids) {
        if (!tree.includes(its) && !(await this.#treeOf(its)).includes(pid)) continue;
        throw conflict([app, supervisor.kind], [other, kind], `process ${pid} and process ${its}, of which one has started the other,`);
      }
    }
  }

  forget(app: string): void {
    this.#claims.delete(app);
  }

  #look(app: string, supervisor: Supervisor): Promise<{ slots: Slot[]; pids: number[] }> {
    const asked = (async () => {
      const slots = await supervisor.slots();
      return { slots, pids: [...slots.flatMap(pidIn), ...(supervisor.beside?.() ?? [])] };
    })();
    const noted = (pids: readonly number[]) => {
      const claim = this.#claims.get(app);
      if (claim) claim.pids = new Set(pids);
    };
    // Whoever does not answer keeps what it had.
    const looking = asked.then(({ pids }) => noted(pids), () => {});
    const look = async (): Promise<void> => {
      await this.#look(app, supervisor).catch(() => {});
    };
    this.#claims.set(app, { kind: supervisor.kind, pids: this.#claims.get(app)?.pids ?? new Set(), looking, look });
    return asked;
  }

  #before(app: string): [string, Claim][] {
    const order = this.#parts.order();
    const own = order.indexOf(app);
    if (own < 0) return [];
    const others = new Set(order.slice(own));
    return [...this.#claims].filter(([other]) => !others.has(other));
  }

  async #treeOf(pid: number): Promise<number[]> {
    const { processes } = this.#parts;
    const root = await processes.identify(pid);
    return root ? (await processes.tree(root)).map((member) => member.pid) : [];
  }
}

const pidIn = ({ pid }: Slot): number | [] => pid ?? [];

class Guarded implements Supervisor {
  readonly kind: SupervisorKind;
  readonly #app: string;
  readonly #inner: Supervisor;
  readonly #claims: Claims;

  constructor(app: string, inner: Supervisor, claims: Claims) {
    this.kind = inner.kind;
    this.#app = app;
    this.#inner = inner;
    this.#claims = claims;
  }

  start(): Promise<void> {
    return this.#inner.start();
  }

  slots(): Promise<Slot[]> {
    return this.#claims.slots(this.#app, this.#inner);
  }

  beside(): readonly number[] {
    return this.#inner.beside?.() ?? [];
  }

  async endings(): Promise<Ending[]> {
    return (await this.#inner.endings?.()) ?? [];
  }

  lastDeath(worker: string): Death | null {
    return this.#inner.lastDeath?.(worker) ?? null;
  }

  async restart(worker: string, options: RestartOptions): Promise<RestartReport> {
    await this.#claims.mayRestart(this.#app, this.#inner, worker);
    return this.#inner.restart(worker, options);
  }

  async close(): Promise<void> {
    try {
      await this.#inner.close();
    } finally {
      this.#claims.forget(this.#app);
    }
  }
}

type Claimant = [app: string, kind: SupervisorKind];

function conflict([app, kind]: Claimant, [other, otherKind]: Claimant, what: string): HeapwardenError {
  const both = `apps "${other}" (${otherKind}) and "${app}" (${kind})`;
  const advice = `"${app}" is neither measured nor restarted until one of them says more narrowly which process it means`;
  return new HeapwardenError('SUPERVISOR_REFUSED', `${what} would be two apps' at once: ${both}; ${advice}`);
}
