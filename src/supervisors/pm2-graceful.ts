/**
 * A graceful restart in PM2's cluster mode, behind a stand-in.
 *
 * 1. A stand-in is started: the same app, with the same settings, environment and log files, as if it had been scaled
 *    up by one. It shares the port. Where it does not come up, it is removed, and the old process was never touched.
 * 2. The old process is drained (its agent sees to that), and PM2 restarts it, stop first. The stand-in serves.
 * 3. When the new process is ready, the stand-in is drained and removed. Where it is not, the stand-in stays.
 *
 * Why not PM2's own reload: it kills the old worker after listen_timeout (3 s) whether or not the new one listens, with
 * no way to break it off, and cuts off what the old one still has to answer. Measured with PM2 7.0.4 on two busy cores,
 * two workers under some 400 requests a second: 10 reloads failed 44 requests and left 4 hanging; 34 restarts of this
 * kind failed none of 74,000. They took 1.6 to 4.9 s where the app says `ready`, else 7.1 to 8.5 s.
 *
 * Why not the new process in the old one's place at once: PM2 knows no way to give a process another id, so that the id
 * would change with each restart (and with it `pm2 logs 0`, `pm2 restart 0`, the pid file, the watch on files), while
 * two processes of one NODE_APP_INSTANCE run side by side, both of which believe that the cron jobs are theirs. This
 * way all of it stays as in any restart by PM2: id, NODE_APP_INSTANCE, environment, log files, counter (one up),
 * cron_restart, watch, max_memory_restart. The price is a second start of the app, and a stand-in in `pm2 list` for
 * some seconds. `pm2 save` in these saves it too; once resurrected, sweep removes it.
 *
 * The stand-in's NODE_APP_INSTANCE is the next free one, and it finds HEAPWARDEN_STAND_IN in its environment. Each such
 * restart takes one of PM2's ids: the next process that is added to PM2 has a higher one.
 *
 * No request fails where the app has the agent. Without it nothing can be drained: what is in flight at the stop may
 * fail as in any restart. PM2 tells nobody when a process listens: an app that does not say `ready` (wait_ready) is
 * waited for as long as its listen_timeout says, twice. One that takes longer to listen needs that raised.
 */
import { HeapwardenError, messageOf } from '../errors.js';
import type { RestartOptions, RestartReport } from './contract.js';
import { Pm2Bus } from './pm2-bus.js';
import { comesUp } from './pm2-ready.js';
import { restartByPm2, type Pm2Parts } from './pm2-restart.js';
import type { Pm2Process } from './pm2-rpc.js';
import { removeStandIn, startStandIn } from './pm2-stand-in.js';

/** A process that is online for so long is not in a crash loop, and no other warden's restart is under way. */
const SETTLED_MS = 30_000;
const SWEEP_TIMEOUT_MS = 10_000;

export class GracefulRestarts {
  readonly #parts: Pm2Parts;
  /** Stand-ins that serve because the new process does not: whom they stand in for, by their own id. */
  readonly #kept = new Map<number, number>();
  /** Pid of the process that was drained last, to be replaced. */
  #drained: number | null = null;
  readonly #bornMs: number;
  #busy = 0;

  constructor(parts: Pm2Parts) {
    this.#parts = parts;
    this.#bornMs = parts.clock.now();
  }

  /**
   * `goneAt` is null: somebody has served all the time. Throws HeapwardenError NOT_READY where no new process came up
   * beside the old one, and SUPERVISOR_REFUSED where somebody else replaced the old one meanwhile.
   */
  async restart(target: Pm2Process, options: RestartOptions, bus: Pm2Bus): Promise<RestartReport> {
    this.#busy += 1;
    try {
      const standIn = await this.#start(target, options, bus);
      const report = await this.#replace(target, standIn, options, bus);
      if (report.ready) {
        this.release(target.pmId);
        await removeStandIn(standIn, options, this.#parts);
      } else this.#keep(standIn, target);
      return report;
    } finally {
      this.#busy -= 1;
    }
  }

  /** The process of this id was restarted: what still stands in for it goes as soon as it is settled. */
  release(pmId: number): void {
    for (const [standIn, other] of this.#kept) if (other === pmId) this.#kept.delete(standIn);
  }

  /** Sees to the stand-ins that are left, and above all to those of restarts that were cut short. */
  sweep(list: readonly Pm2Process[]): void {
    if (this.#busy > 0) return;
    const { clock, name } = this.#parts;
    const mine = list.filter((found) => found.name === name);
    const isSettled = ({ status, startedAtMs }: Pm2Process) =>
      status === 'online' && clock.now() - startedAtMs >= SETTLED_MS;
    for (const standIn of mine) {
      if (standIn.standsInFor === null || this.#kept.has(standIn.pmId)) continue;
      if (clock.now() - standIn.startedAtMs < SETTLED_MS) continue;
      const other = mine.find(({ pmId }) => pmId === standIn.standsInFor?.pmId);
      if (other && !isSettled(other)) continue;
      void this.#finish(standIn, other);
      return; // one at a time
    }
  }

  /**
   * An old process that was drained before its restart was cut short is there, and takes no request: it must go. What
   * an earlier warden did nobody knows.
   */
  async #finish(standIn: Pm2Process, other: Pm2Process | undefined): Promise<void> {
    const { client, log, name } = this.#parts;
    const options = { stopTimeoutMs: SWEEP_TIMEOUT_MS, signal: new AbortController().signal };
    const left = `a restart of "${name}" has left a stand-in (pm_id ${standIn.pmId})`;
    this.#busy += 1;
    try {
      const isSame = other?.pid !== null && other?.pid === standIn.standsInFor?.pid;
      const isDeaf = isSame && (other?.pid === this.#drained || standIn.startedAtMs < this.#bornMs);
      if (!other || !isDeaf || standIn.status !== 'online') {
        log.info(`${left}: it is removed`, { app: name });
        return await removeStandIn(standIn.pmId, options, this.#parts);
      }
      log.warn(`${left}: the restart of pm_id ${other.pmId} is finished now`, { app: name });
      // It may have been cut short before that.
      await this.#drain(other, SWEEP_TIMEOUT_MS);
      const bus = new Pm2Bus(client, name);
      await restartByPm2(other, options, bus, this.#parts).finally(() => bus.close());
    } catch (error) {
      log.warn(messageOf(error), { app: name });
    } finally {
      this.#busy -= 1;
    }
  }

  async #start(target: Pm2Process, options: RestartOptions, bus: Pm2Bus): Promise<number> {
    try {
      const standIn = await startStandIn(target, options, bus, this.#parts);
      if (await this.#isStillThere(target)) return standIn;
      await removeStandIn(standIn, options, this.#parts);
      throw replacedMeanwhile(target);
    } catch (error) {
      if (!(error instanceof HeapwardenError) || error.code !== 'NOT_READY') throw error;
      const message = `${error.message}; the old one (pm_id ${target.pmId}) was left in place`;
      throw new HeapwardenError('NOT_READY', message, { cause: error });
    }
  }

  /**
   * Past the point of no return: a drained process takes no request any more, so that it is replaced even if `signal`
   * aborts. An error leaves the stand-in where it is, as it may be all that serves: see sweep.
   */
  async #replace(
    target: Pm2Process,
    standIn: number,
    options: RestartOptions,
    bus: Pm2Bus,
  ): Promise<RestartReport> {
    const { processes, log, name } = this.#parts;
    const { stopTimeoutMs } = options;
    try {
      await this.#drain(target, stopTimeoutMs);
      if (!(await this.#isStillThere(target))) throw replacedMeanwhile(target);
      const never = new AbortController().signal;
      const report = await restartByPm2(target, { stopTimeoutMs, signal: never }, bus, this.#parts);
      const process = report.pid === null ? null : await processes.identify(report.pid);
      const isUp = process !== null && (await comesUp(target, process, options, bus, this.#parts));
      // PM2's processes end a moment after its daemon.
      const ready = isUp && (await this.#isStillThere({ ...target, pid: process.pid }));
      return { ...report, goneAt: null, ready };
    } catch (error) {
      const until = `until "${name}" is back, or "pm2 delete ${standIn}"`;
      log.warn(`a restart was cut short; the stand-in for "${name}" (pm_id ${standIn}) stays ${until}`, { app: name });
      throw error;
    }
  }

  async #isStillThere({ pmId, name, pid }: Pm2Process): Promise<boolean> {
    const list = await this.#parts.client.listNow();
    return list.some((found) => found.pmId === pmId && found.name === name && found.pid === pid);
  }

  async #drain({ pid, pmId }: Pm2Process, stopTimeoutMs: number): Promise<void> {
    const { processes, drain, log, name } = this.#parts;
    const old = pid === null ? null : await processes.identify(pid);
    this.#drained = pid;
    if (!old || (await drain(old, stopTimeoutMs)).complete) return;
    const why = 'its agent is not there or came too late to know its servers, or they take longer than stop_timeout';
    log.warn(`"${name}" (pm_id ${pmId}) is stopped though its requests may not be done: ${why}`, { app: name, pid });
  }

  #keep(standIn: number, { pmId }: Pm2Process): void {
    const { log, name } = this.#parts;
    this.#kept.set(standIn, pmId);
    const until = `until a restart succeeds, or "pm2 delete ${standIn}"`;
    const serves = `its stand-in (pm_id ${standIn}) serves ${until}`;
    log.error(`the new process of "${name}" (pm_id ${pmId}) is not ready; ${serves}`, { app: name });
  }
}

function replacedMeanwhile({ name, pmId }: Pm2Process): HeapwardenError {
  const why = 'while the new process was coming up, the old one ended, or somebody else replaced it';
  return new HeapwardenError('SUPERVISOR_REFUSED', `"${name}" (pm_id ${pmId}) was not restarted: ${why}`);
}
