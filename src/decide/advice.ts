/**
 * Pure: what to change for an app, out of what was measured of it. Each advice has its figures, and the time over which
 * they were measured; what is not known is not said.
 */
import type { AppConfig } from '../config/schema.js';
import { formatBytes } from '../units.js';
import { heapAdvice } from './advice-heap.js';
import { leakAdvice } from './advice-leak.js';
import { limitAdvice } from './advice-limits.js';
import { PACE_DEFAULTS } from './finding.js';
import type { Advice, AdviceCode, Finding, Given, Pace, WorkerFacts } from './finding.js';
import { footingOf } from './footing.js';
import { describeTime, outlookOf } from './forecast.js';

/** Most urgent first; what is true of several workers is told once. */
export function advise(
  app: AppConfig,
  workers: readonly WorkerFacts[],
  nowMs: number,
  pace: Pace = PACE_DEFAULTS,
): Advice[] {
  const advice = new Map<AdviceCode, Advice>();
  for (const facts of workers) {
    for (const finding of findingsOf(app, facts, nowMs, pace)) {
      const known = advice.get(finding.code);
      if (known) known.workers.push(facts.state.worker);
      else advice.set(finding.code, { ...finding, workers: [facts.state.worker] });
    }
  }
  return [...advice.values()].toSorted((a, b) => ORDER.indexOf(a.code) - ORDER.indexOf(b.code));
}

const ORDER: readonly AdviceCode[] = [
  'not_running', 'leak', 'leaked_before', 'suspect', 'restart_interval', 'rss_limit_too_low', 'heap_limit_too_low',
  'heap_limit_above_rss_limit', 'no_rss_limit', 'rss_limit_too_high', 'heap_limit_lower', 'no_agent', 'too_early',
  'no_leak',
];

function findingsOf(app: AppConfig, facts: WorkerFacts, nowMs: number, pace: Pace): Finding[] {
  const { state, history } = facts;
  const outlook = history && outlookOf(history, app, pace.leak);
  const footing = footingOf(state, history, { memory: app.memory, leak: outlook?.leak ?? null });
  if (!footing) return [NOT_RUNNING];
  const given: Given = { ...facts, app, footing, outlook, pace, nowMs };
  const found = [leakAdvice, limitAdvice, heapAdvice, noAgent].flatMap((adviceOn) => adviceOn(given));
  if (outlook?.leak) return found;
  return [...found, footing.overMs < pace.leak.shortestMs ? tooEarly(given) : noLeak(given, found.length === 0)];
}

const NOT_RUNNING: Finding = {
  code: 'not_running',
  figures: {},
  measuredMs: 0,
  sentence: 'has no process now, so nothing of it is measured',
  change: 'see why it does not run: heapwarden incidents, and its own output',
};

function noAgent({ state: { agent }, app: { runtime } }: Given): Finding[] {
  if (agent?.stats) return [];
  const change =
    runtime === 'none'
      ? 'set runtime: agent and start it with the agent'
      : 'start it with the agent (or: heapwarden attach PID): it tells heap, buffers and native memory apart';
  return [{ code: 'no_agent', figures: {}, measuredMs: 0, sentence: 'has no agent that reports, so its heap is not known', change }];
}

/** Until then no word on a leak is an honest one. */
function tooEarly({ state, footing: { overMs }, pace: { series, leak }, nowMs }: Given): Finding {
  const ageMs = Math.max(0, nowMs - state.reading!.startedAtMs);
  const measured = overMs > 0 ? `was measured for ${describeTime(overMs)} only` : 'has not been measured over time yet';
  const [startup, trend] = [describeTime(series.startupMs), describeTime(leak.shortestMs)];
  return {
    code: 'too_early',
    figures: { uptime_seconds: Math.round(ageMs / 1000), trend_after_seconds: Math.round(leak.shortestMs / 1000) },
    measuredMs: overMs,
    sentence:
      `has run for ${describeTime(ageMs)} and ${measured}: its first ${startup} tell nothing, ` +
      `and a trend needs ${trend} after them`,
    change: null,
  };
}

function noLeak({ footing: { least, most, overMs }, app }: Given, isAll: boolean): Finding {
  const limit = app.limits.rss?.restart;
  const of = limit === undefined ? '' : ` of ${formatBytes(limit)}`;
  const seen = `${formatBytes(least)} at the least and ${formatBytes(most)} at the most${of}, over ${describeTime(overMs)}`;
  return {
    code: 'no_leak',
    figures: { baseline_bytes: Math.round(least), most_bytes: Math.round(most) },
    measuredMs: overMs,
    sentence: `has no leak for certain: ${seen}${isAll ? '; there is nothing to change' : ''}`,
    change: null,
  };
}
