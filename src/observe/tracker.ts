/** Pure: what is known of every worker, from one round of observations to the next. */
import type { SlotState, SupervisorKind } from '../supervisors/contract.js';
import { countCpu, NO_CPU, type CpuCount } from './cpu-count.js';
import { countGc, type GcCount } from './gc-count.js';
import type { AgentReport } from './hub.js';
import { sameProcess } from './identity.js';
import type { Reading } from './sampler.js';
import type { Standstill } from './standstill.js';

/** One round's raw findings about one slot. `reading` is null where no process runs in it. */
export interface Observation {
  app: string;
  worker: string;
  /** `none`: an agent that reported in without being configured. */
  supervisor: SupervisorKind | 'none';
  state: SlotState;
  reading: Reading | null;
  /** Reports of all agents inside the process tree. */
  agents: readonly AgentReport[];
}

export interface WorkerState {
  app: string;
  worker: string;
  /** Both once more, as one object that stays from round to round: what is made of them is made once. */
  slot: { readonly app: string; readonly worker: string };
  supervisor: SupervisorKind | 'none';
  state: SlotState;
  /** null: no process, known for certain at `observedAtMs`. */
  reading: Reading | null;
  /**
   * The agent that speaks for the worker: of all in its tree, the one with the largest heap, until another's is clearly
   * larger, or clearly closer to its limit; and where it has fallen silent, still that one.
   */
  agent: AgentReport | null;
  cpu: CpuCount;
  /** Null before an agent has told any. */
  gc: GcCount | null;
  /** Why its agent may be silent though it has not frozen; null where nothing is known. A heartbeat ends it. */
  standstill: Standstill | null;
  /** Milliseconds since the epoch. */
  observedAtMs: number;
  /** The same by `clock.monotonic()`. */
  observedAt: number;
}

/** When the observations were made, on both clocks, and what excuses silence then. */
export interface Moment {
  nowMs: number;
  now: number;
  standstillOf(agent: AgentReport): Standstill | null;
}

export const workerKey = (app: string, worker: string): string => `${app}\u0000${worker}`;

export type Workers = ReadonlyMap<string, WorkerState>;

export function track(previous: Workers, observations: readonly Observation[], moment: Moment): Workers {
  const workers = new Map<string, WorkerState>();
  const { nowMs: observedAtMs, now: observedAt } = moment;
  for (const { app, worker, supervisor, state, reading, agents } of observations) {
    const key = workerKey(app, worker);
    const before = previous.get(key);
    const slot = before?.slot ?? { app, worker };
    const continued = before?.reading && sameProcess(before.reading.root, reading?.root) ? before : null;
    const cpu = reading
      ? countCpu(reading.tree, continued?.reading?.tree ?? [], continued?.cpu ?? NO_CPU)
      : (before?.cpu ?? NO_CPU);
    const agent = spokesman(agents, before?.agent ?? null);
    const gc = gcOf(agent, reading, continued);
    const standstill = agent && moment.standstillOf(agent);
    workers.set(key, { app, worker, slot, supervisor, state, reading, agent, cpu, gc, standstill, observedAtMs, observedAt });
  }
  return workers;
}

/** How much larger another's heap must be: workers of one size would take turns in every round. */
const CLEARLY = 1.25;
/** Of what the speaker has left up to its own heap limit: who has less than that is the one that V8 aborts first. */
const CLEARLY_LESS = 0.5;

/**
 * A wrapper such as `npm start` runs an agent too; the service is the one with the heap. While it is frozen its stats are
 * out of date: nobody else's heartbeat may stand for it then.
 */
function spokesman(agents: readonly AgentReport[], before: AgentReport | null): AgentReport | null {
  const last = agents.find(({ pid, connectedAt }) => pid === before?.pid && connectedAt === before.connectedAt);
  if (last && hasFallenSilent(last)) return last;
  const heap = (agent: AgentReport) => agent.stats?.heap_total ?? 0;
  const larger = (a: AgentReport | null, b: AgentReport) => (a && heap(a) >= heap(b) ? a : b);
  const largest = agents.reduce<AgentReport | null>(larger, null);
  if (!last || !largest || heap(largest) > CLEARLY * heap(last)) return largest;
  // A helper with a small heap and a limit as small is none of those that take turns.
  const alike = agents.filter((agent) => CLEARLY * heap(agent) >= heap(last));
  const tightest = alike.reduce((a, b) => (leftOf(b) < leftOf(a) ? b : a), last);
  return leftOf(tightest) < CLEARLY_LESS * leftOf(last) ? tightest : last;
}

/** The share of its heap limit that an agent's process has left. */
const leftOf = ({ stats }: AgentReport): number => (stats?.heap_limit ? 1 - stats.heap_used / stats.heap_limit : 1);

/** Its stats are out of date; one whose first are still to come has none either. */
const hasFallenSilent = ({ stats, statsAt }: AgentReport): boolean => stats === null && statsAt !== null;

/** `before`: the same root process at the last look, if any. */
function gcOf(agent: AgentReport | null, reading: Reading | null, before: WorkerState | null): GcCount | null {
  const counted = before?.gc ?? null;
  const speaker = reading?.tree.find(({ pid }) => pid === agent?.pid);
  return speaker && agent?.stats ? countGc(counted, speaker, agent.stats.gc, before?.reading?.tree ?? []) : counted;
}
