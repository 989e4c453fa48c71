import type { Clock } from '../clock.js';
import { HeapwardenError, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { processesIn } from './cgroup.js';
import type {
  Death, Drain, ProcessTable, RestartOptions, RestartReport, Slot, Supervisor,
} from './contract.js';
import { NOT_DRAINED } from './drain.js';
import { placeSlots } from './place-slots.js';
import type { Systemctl, Systemctls } from './systemctl.js';
import { Deaths } from './systemd-deaths.js';
import { lastFailure } from './systemd-journal.js';
import { restartUnit } from './systemd-restart.js';
import { isBetweenRuns, stateOf, type Unit, type UnitName, type UnitRef } from './systemd-unit.js';

export interface SystemdOptions {
  /** As the config names the app. */
  app: string;
  unit: UnitRef;
  systemctls: Systemctls;
  processes: ProcessTable;
  /** By default nobody can be asked to finish its requests. */
  drain?: Drain;
  clock: Clock;
  log: Log;
  /** Replaced by tests: the pids of a control group, the last failure in the journal. */
  processesIn?: typeof processesIn;
  lastFailure?: typeof lastFailure;
}

/** Instances by number where they have numbers: shop@2 stands before shop@10. */
const byName = new Intl.Collator('en', { numeric: true });

/**
 * A service of systemd, `shop.service`, as worker 0; or all instances of a template, `shop@*.service`, a worker each.
 * Instances take their slots in the order of their names, so that a warden that starts anew gives them the same ones;
 * one that comes later takes the lowest that is free, and one that is stopped and unloaded leaves its own.
 *
 * A worker is the unit's main process (MainPID=) with its descendants, and whatever else is in the unit's control
 * group: a daemon that has left its parent counts in the memory of the worker, as it does in the unit's MemoryMax=.
 *
 * Of systemd's ways, these matter:
 * - How long a stop may take is the unit's own: TimeoutStopSec=, 90 s unless configured, whatever stop_timeout says.
 *   A frozen process that handles SIGTERM holds a restart up for so long.
 * - A restart stops first, always: systemd has one main process a unit.
 * - A restart of ours sets NRestarts= and the count of StartLimitBurst= back to zero, as one by hand does with
 *   `reset-failed`: it ends a crash loop.
 */
export class SystemdSupervisor implements Supervisor {
  readonly kind = 'systemd';
  readonly #options: SystemdOptions;
  readonly #systemctl: Systemctl;
  readonly #deaths: Deaths;
  #placed = new Map<UnitName, number>();
  /** Units of which the log has said that systemd knows no main process. */
  readonly #headless = new Set<string>();

  constructor(options: SystemdOptions) {
    const { app, unit, systemctls, clock, log } = options;
    this.#options = options;
    this.#systemctl = unit.user ? systemctls.user : systemctls.system;
    this.#deaths = new Deaths({ app, user: unit.user, lastFailure: options.lastFailure ?? lastFailure, clock, log });
  }

  /** Starts nothing: units are their owner's. Tells the log where there is nothing to watch yet. */
  async start(): Promise<void> {
    const { app, log } = this.#options;
    try {
      const found = await this.#find();
      const [unit] = found.values();
      if (!unit) log.warn(`systemd has no unit ${this.#name} in memory yet; start one`, { app });
      else if (unit.loadState !== 'loaded') log.warn(whyNotLoaded(unit), { app });
    } catch (error) {
      log.warn(messageOf(error), { app });
    }
  }

  async slots(): Promise<Slot[]> {
    const found = await this.#find();
    if (found.size === 0) return [{ worker: '0', pid: null, state: 'stopped' }];
    return Promise.all([...found].map(([worker, unit]) => this.#slot(worker, unit)));
  }

  lastDeath(worker: string): Death | null {
    const unit = [...this.#placed].find(([, slot]) => String(slot) === worker);
    return unit ? this.#deaths.of(unit[0]) : null;
  }

  async restart(worker: string, options: RestartOptions): Promise<RestartReport> {
    options.signal.throwIfAborted();
    const { app, drain = async () => NOT_DRAINED, processes, clock, log } = this.#options;
    const found = await this.#find();
    const unit = found.get(worker);
    if (!unit) {
      if (found.size === 0 && worker === '0') throw refused(`systemd has no unit ${this.#name} in memory; start one`);
      throw new HeapwardenError('UNKNOWN_WORKER', `${app} has no worker ${worker}: ${this.#name} is ${found.size} of them`);
    }
    if (unit.loadState !== 'loaded') throw refused(whyNotLoaded(unit));
    return restartUnit(unit, options, { app, systemctl: this.#systemctl, processes, drain, clock, log });
  }

  async close(): Promise<void> {}

  get #name(): string {
    const { name, user } = this.#options.unit;
    return user ? `${name} (of this user)` : name;
  }

  /** The units by worker, in the order of their slots. */
  async #find(): Promise<Map<string, Unit>> {
    const units = await this.#systemctl.show(this.#options.unit.name);
    const ids = units.map(({ id }) => id).toSorted(byName.compare);
    this.#placed = placeSlots(this.#placed, ids);
    const bySlot = [...this.#placed].toSorted(([, a], [, b]) => a - b);
    return new Map(bySlot.map(([id, slot]) => [String(slot), units.find((unit) => unit.id === id)!]));
  }

  async #slot(worker: string, unit: Unit): Promise<Slot> {
    await this.#deaths.look(unit, worker);
    const pid = isBetweenRuns(unit) ? null : unit.mainPid;
    const others = pid === null ? [] : await this.#others(pid, unit);
    if (pid === null && unit.activeState === 'active') this.#tellHeadless(unit, worker);
    return { worker, pid, state: stateOf(unit), ...(others.length > 0 && { others }) };
  }

  /** Those of the control group that do not descend from the main process. */
  async #others(mainPid: number, { controlGroup }: Unit): Promise<number[]> {
    const { processes } = this.#options;
    const members = controlGroup === null ? [] : await (this.#options.processesIn ?? processesIn)(controlGroup);
    if (members.every((pid) => pid === mainPid)) return [];
    const root = await processes.identify(mainPid);
    const tree = new Set(root ? (await processes.tree(root)).map(({ pid }) => pid) : members);
    const roots = [];
    for (const pid of members.toSorted((a, b) => a - b)) {
      const id = tree.has(pid) ? null : await processes.identify(pid);
      if (!id) continue;
      roots.push(pid);
      for (const below of await processes.tree(id)) tree.add(below.pid);
    }
    return roots;
  }

  #tellHeadless({ id, type }: Unit, worker: string): void {
    const { app, log } = this.#options;
    if (this.#headless.has(id)) return;
    this.#headless.add(id);
    const next = type === 'forking' ? 'set its PIDFile=' : 'a oneshot, for one, has none when it is done';
    const what = `${id} runs, but systemd knows no main process of it, so it is not watched`;
    log.warn(`${app}/${worker}: ${what}; ${next}`, { app, worker });
  }
}

function whyNotLoaded({ id, loadState }: Unit): string {
  switch (loadState) {
    case 'not-found':
      return `systemd has no unit ${id}; "systemctl list-units --type=service" shows those there are`;
    case 'masked':
      return `${id} is masked, so systemd does not start it; "systemctl unmask ${id}" makes it a service again`;
    default:
      return `systemd could not load ${id} (${loadState}); "systemd-analyze verify ${id}" says why`;
  }
}

const refused = (why: string) => new HeapwardenError('SUPERVISOR_REFUSED', why);
