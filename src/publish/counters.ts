import { Counter, Histogram, Registry } from 'prom-client';
import { RESULTS, tookMsOf, type Death, type Incident, type Recorded } from '../act/incident.js';
import type { Tally } from '../act/tally.js';
import { DEATH_REASONS } from '../decide/death.js';
import { REFUSALS, RESTART_REASONS, type Refusal } from '../decide/decision.js';
import type { Family } from './family.js';

const ALERT_DECISIONS = ['restart', 'ignored', 'resolved', 'invalid', ...REFUSALS] as const;
export type AlertDecision = (typeof ALERT_DECISIONS)[number];

/** The `app` of all that is not configured: a request can name any app, and must not make series without end. */
const NOT_CONFIGURED = '';
const REFUSED_WITHOUT_APP = ['unknown_app', 'unmanaged'] as const satisfies readonly Refusal[];

/** What is counted as it happens. A series that is known beforehand starts at 0, so that increase() sees the first. */
export class Counters {
  readonly #registry = new Registry();
  readonly #expected = new Set<string>();
  readonly #restarts = new Counter({
    name: 'heapwarden_restarts_total',
    help: 'Restarts by the reason they were asked for and their result.',
    labelNames: ['app', 'reason', 'result'],
    registers: [this.#registry],
  });
  readonly #refusals = new Counter({
    name: 'heapwarden_restart_refusals_total',
    help: 'Refusals to restart, by why.',
    labelNames: ['app', 'refusal'],
    registers: [this.#registry],
  });
  readonly #deaths = new Counter({
    name: 'heapwarden_out_of_memory_deaths_total',
    help: 'Processes that died for want of memory, by what ended them: V8 (oom_heap) or the kernel (oom_kernel).',
    labelNames: ['app', 'reason'],
    registers: [this.#registry],
  });
  readonly #duration = new Histogram({
    name: 'heapwarden_restart_duration_seconds',
    help: 'Time from the decision to restart until the new process was ready.',
    labelNames: ['app'],
    buckets: [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300],
    registers: [this.#registry],
  });
  readonly #downtime = new Histogram({
    name: 'heapwarden_restart_downtime_seconds',
    help: 'Time of a restart without a process that was ready; 0 where the new one came first.',
    labelNames: ['app'],
    buckets: [0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60],
    registers: [this.#registry],
  });
  readonly #alerts = new Counter({
    name: 'heapwarden_alerts_received_total',
    help: 'Alerts received, by what was decided: restart, a refusal, ignored, resolved or invalid.',
    labelNames: ['decision'],
    registers: [this.#registry],
  });
  readonly #journalErrors = new Counter({
    name: 'heapwarden_journal_errors_total',
    help: 'Writes to the journal that failed; while they do, nothing is restarted.',
    registers: [this.#registry],
  });

  readonly #tallies: readonly Tally[];

  /** `tallies`: of restarts and deaths that the journal does not hold any more. */
  constructor(tallies: readonly Tally[] = []) {
    this.#tallies = tallies;
    for (const decision of ALERT_DECISIONS) this.#alerts.inc({ decision }, 0);
    for (const refusal of REFUSED_WITHOUT_APP) this.#refusals.inc({ app: NOT_CONFIGURED, refusal }, 0);
  }

  /**
   * Makes the series of these apps known. May be called again after a reload: what has been counted stays, also of apps
   * that have gone. Restarts and deaths are counted on from the journal (`recorded`): one whose record is completed when the
   * warden comes back would otherwise be the first that anyone sees of its series, and increase() passes over that.
   */
  expect(apps: readonly string[], recorded: readonly Recorded[] = []): void {
    for (const app of apps) {
      if (this.#expected.has(app)) continue;
      this.#expected.add(app);
      for (const reason of RESTART_REASONS) {
        for (const result of RESULTS) this.#restarts.inc({ app, reason, result }, 0);
      }
      for (const refusal of REFUSALS) this.#refusals.inc({ app, refusal }, 0);
      for (const reason of DEATH_REASONS) this.#deaths.inc({ app, reason }, 0);
      this.#duration.zero({ app }); // this would set back to zero what is there
      this.#downtime.zero({ app });
      for (const tally of this.#tallies) if (tally.app === app) this.#countOn(tally);
      for (const incident of recorded) {
        if (incident.app !== app) continue;
        if (incident.action === 'death') this.death(incident);
        else this.#countRestart(incident, app);
      }
    }
  }

  incident(incident: Incident, isConfigured: boolean): void {
    const app = isConfigured ? incident.app : NOT_CONFIGURED;
    if (incident.action === 'refuse') this.#refusals.inc({ app, refusal: incident.reason });
    this.#countRestart(incident, app);
    if (incident.action !== 'restart' || !incident.outcome) return;
    const { downtimeMs } = incident.outcome;
    if (downtimeMs !== null) this.#downtime.observe({ app }, downtimeMs / 1000);
    if (incident.outcome.result === 'recovered' && !incident.outcome.interrupted) {
      this.#duration.observe({ app }, tookMsOf(incident, incident.outcome) / 1000);
    }
  }

  death({ app, reason }: Death): void {
    this.#deaths.inc({ app, reason });
  }

  #countOn({ app, reason, result, count }: Tally): void {
    if (result === null) this.#deaths.inc({ app, reason }, count);
    else this.#restarts.inc({ app, reason, result }, count);
  }

  #countRestart({ action, reason, outcome }: Incident, app: string): void {
    if (action === 'restart' && outcome) this.#restarts.inc({ app, reason, result: outcome.result });
  }

  alert(decision: AlertDecision): void {
    this.#alerts.inc({ decision });
  }

  journalError(): void {
    this.#journalErrors.inc();
  }

  families(): Promise<Family[]> {
    return familiesOf(this.#registry);
  }
}

/** A registry's present values, detached from it: rendering them cannot change it. */
export async function familiesOf(registry: Registry): Promise<Family[]> {
  const metrics = (await registry.getMetricsAsJSON()) as unknown as Family[];
  return metrics.map(({ name, help, type, values }) => ({ name, help, type: String(type) as Family['type'], values }));
}
