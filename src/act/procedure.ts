import { underAny } from '../abort.js';
import type { AppConfig, ReadyCheck } from '../config/schema.js';
import { limitOf } from '../decide/measure.js';
import { HeapwardenError, messageOf } from '../errors.js';
import { sameProcess } from '../observe/identity.js';
import type { Reading } from '../observe/sampler.js';
import type { ProcessId, ReadyTarget, RestartReport, Supervisor } from '../supervisors/contract.js';
import { CommandFailed } from '../supervisors/external-command.js';
import type { Evidence } from './evidence/collect.js';
import { stateOf } from './facts.js';
import type { Incident } from './incident.js';
import { NO_WORKER, Objections, REPLACED, STOPPED, type ObjectionParts, type Waiting } from './objections.js';
import type { Findings } from './outcome.js';
import { waitUntilReady } from './ready.js';

/** A new process must outlive this before it counts: one that exits at once was never ready. */
const SETTLE_MS = 1000;
const NEW_PROCESS_TIMEOUT_MS = 30_000;
/** What a supervisor that was asked before the warden died gets on top of its stop timeout. */
const INTERRUPTED_PATIENCE_MS = 5000;
const POLL_MS = 100;
/** In which an agent that can speak is back with the warden that came after: it tries every 10 s at the longest. */
const AGENT_BACK_MS = 15_000;
const NOT_CONFIGURED = 'its app is no longer configured';
const RECONFIGURED = 'for what runs it has changed in the config';

export interface ProcedureParts extends ObjectionParts {
  supervisors: ReadonlyMap<string, Supervisor>;
  /** Whether an agent of this process, or of one below it, has reported. */
  hasReported(process: ProcessId): Promise<boolean>;
  /** Whether an agent of this process, or of one below it, came as one that takes no new connections any more. */
  wasDrained(process: ProcessId): Promise<boolean>;
  evidence: Pick<Evidence, 'collect'>;
  /** From 0 to 1, for the jitter. */
  random(): number;
}

export type Found = Partial<Findings>;

/** One restart, from the decision to what came of it. */
export class Procedure {
  readonly #parts: ProcedureParts;
  readonly #objections: Objections;

  constructor(parts: ProcedureParts) {
    this.#parts = parts;
    this.#objections = new Objections(parts);
  }

  /**
   * Spreads the restarts of a fleet that crosses its limits together. A person does not wait. What ends it early is one
   * of the signals.
   */
  async jitter({ app: name, origin, force }: Incident, signals: readonly AbortSignal[]): Promise<void> {
    const jitterMs = this.#parts.app(name)?.restart.jitter ?? 0;
    if (origin === 'api' || force || jitterMs === 0) return;
    const { random, clock } = this.#parts;
    await underAny(signals, (signal) => clock.sleep(random() * jitterMs, signal));
  }

  /**
   * Its turn has come. `onVerdict` is called when it is clear whether it will be done, before anything is touched: from
   * then on it is neither to be cancelled nor to be made anybody's.
   */
  async carryOut(waiting: Waiting, closing: AbortSignal, onVerdict: () => void): Promise<Found> {
    const { incident } = waiting;
    const app = this.#parts.app(incident.app);
    const supervisor = this.#parts.supervisors.get(incident.app);
    const needless = app && supervisor ? await this.#objections.byNow(waiting, app, closing) : `for ${NOT_CONFIGURED}`;
    onVerdict();
    if (needless !== null || !app || !supervisor) return { needless, interrupted: needless === STOPPED };
    return this.#replace(incident, app, supervisor, closing);
  }

  /**
   * A restart that another warden began: touches nothing, and waits for what the supervisor may still be at. The
   * exception is where nobody is served, and nobody but this record knows that it is to be mended.
   */
  async revisit(incident: Incident, closing: AbortSignal): Promise<Found> {
    const app = this.#parts.app(incident.app);
    const supervisor = this.#parts.supervisors.get(incident.app);
    if (!app || !supervisor) return { error: { code: null, message: NOT_CONFIGURED }, interrupted: true };
    // The app's other restarts wait for it.
    const { stop_timeout } = app.restart;
    const patienceMs = Math.max(commandMs(app) + stop_timeout + INTERRUPTED_PATIENCE_MS, AGENT_BACK_MS);
    const upAt = await this.#comesUp(incident, app, null, patienceMs, closing);
    const isLost = upAt === null && !closing.aborted && (await this.#isLeftDown(incident, app));
    if (!isLost) return { ready: upAt !== null, interrupted: true };
    return { ...(await this.#replace(incident, app, supervisor, closing)), interrupted: true };
  }

  /** Its agent would have come back to this warden by now. */
  async #isLeftDown(incident: Incident, app: AppConfig): Promise<boolean> {
    const { before, asked } = incident;
    const { observer, hasReported, wasDrained } = this.#parts;
    if (before === null || app.dry_run) return false;
    const worker = await observer.remeasure(incident.app, incident.worker);
    const reading = worker?.reading ?? stateOf(observer.workers, incident)?.reading; // where the look failed
    // The app's command may have died with heapwarden, to which it writes, between stop and start.
    if (worker && !reading) return commandMs(app) > 0;
    if (!sameProcess(reading?.root, before)) return false;
    // It is past the point from which a restart is not to be cancelled, and has no more to lose.
    if (await wasDrained(before)) return true;
    const isFrozen = asked === 'freeze' && limitOf(app, 'freeze', 'restart') !== null && !(await hasReported(before));
    return isFrozen && this.#objections.forbidden({ ...incident, reason: asked }, incident, app) === null;
  }

  /** Keeps the evidence of the old process, and has the supervisor put a new one in its place. */
  async #replace(incident: Incident, app: AppConfig, supervisor: Supervisor, closing: AbortSignal): Promise<Found> {
    const { evidence: collector, observer } = this.#parts;
    const evidence = await collector.collect(incident, stateOf(observer.workers, incident), app, closing);
    // That takes seconds and memory, and the old process may have died of it.
    if (evidence && (await this.#newProcess(incident))) return { needless: REPLACED, evidence };
    let report: RestartReport;
    try {
      report = await supervisor.restart(incident.worker, {
        stopTimeoutMs: app.restart.stop_timeout,
        mode: app.restart.mode,
        isReady: (target) => this.#isReady(app, target, closing),
        signal: closing,
      });
    } catch (error) {
      const code = error instanceof HeapwardenError ? error.code : null;
      if (code === 'UNKNOWN_WORKER') return { needless: NO_WORKER, evidence };
      // By a reload, which stops the old process itself.
      if (code === 'SUPERVISOR_CLOSED' && !closing.aborted) {
        const isConfigured = this.#parts.app(incident.app) !== null;
        return { needless: isConfigured ? RECONFIGURED : `for ${NOT_CONFIGURED}`, evidence };
      }
      const command = error instanceof CommandFailed ? error.report : null;
      return { error: { code, message: messageOf(error) }, command, evidence };
    }
    const upAt = await this.#comesUp(incident, app, report.ready, NEW_PROCESS_TIMEOUT_MS, closing);
    const { stop, command = null } = report;
    return { ready: upAt !== null, stop, downtimeMs: downtime(report, upAt), command, evidence };
  }

  /** When the slot's new process was ready, provided that it then lives for SETTLE_MS; null where it was not in time. */
  async #comesUp(
    incident: Incident,
    app: AppConfig,
    ready: boolean | null,
    patienceMs: number,
    closing: AbortSignal,
  ): Promise<number | null> {
    const { clock } = this.#parts;
    const deadline = clock.monotonic() + patienceMs;
    while (!closing.aborted && clock.monotonic() < deadline) {
      const process = await this.#newProcess(incident);
      if (process) {
        if (!(ready ?? (await this.#isReady(app, { process: process.root, socketPath: null }, closing)))) return null;
        const upAt = clock.monotonic();
        if (await this.#settles(incident, process, closing)) return upAt;
      }
      await clock.sleep(POLL_MS, closing);
    }
    return null;
  }

  async #newProcess({ app, worker, before }: Incident): Promise<Reading | null> {
    const reading = (await this.#parts.observer.remeasure(app, worker))?.reading ?? null;
    return reading && !sameProcess(reading.root, before) ? reading : null;
  }

  async #settles(incident: Incident, { root, startedAtMs }: Reading, closing: AbortSignal): Promise<boolean> {
    const { clock } = this.#parts;
    // By the time of day, which somebody may set: it can make the process older or younger than it is.
    const livedMs = Math.max(0, clock.now() - startedAtMs);
    await clock.sleep(Math.max(0, SETTLE_MS - livedMs), closing);
    return sameProcess((await this.#newProcess(incident))?.root, root);
  }

  async #isReady(app: AppConfig, target: ReadyTarget, closing: AbortSignal): Promise<boolean> {
    const check = app.restart.ready;
    if (!check || check.pm2) return true; // of PM2's own message PM2's supervisor knows
    if (check.agent) return this.#hasReported(check, target, closing);
    return waitUntilReady(check, target, this.#parts.clock, closing);
  }

  async #hasReported({ timeout }: ReadyCheck, { process }: ReadyTarget, closing: AbortSignal): Promise<boolean> {
    const { clock, hasReported } = this.#parts;
    for (const deadline = clock.monotonic() + timeout; !closing.aborted; await clock.sleep(POLL_MS, closing)) {
      if (await hasReported(process)) return true;
      if (clock.monotonic() >= deadline) return false;
    }
    return false;
  }
}

/** For how long the app's own restart command, which may outlive heapwarden, can be at work; 0 where there is none. */
function commandMs({ supervisor: { external } }: AppConfig): number {
  return external && Array.isArray(external.restart) ? external.timeout : 0;
}

/** 0 where the new process was ready before the old one was stopped; null where it is not known. */
function downtime({ goneAt, ready }: RestartReport, upAt: number | null): number | null {
  if (upAt === null) return null;
  if (goneAt === null) return ready ? 0 : null;
  return Math.max(0, upAt - goneAt);
}
