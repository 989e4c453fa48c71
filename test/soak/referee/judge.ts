/** Pure: from what was seen to a verdict. Each rule is stated where it is applied. */
import type { Finding, Journal, Life, Records, Refusal, Restart, Span } from './records.js';

/** The journal and /proc are looked at in turns: so much may lie between two things that happened together. */
const LOOK_MS = 1000;
/** An agent beats once a second, the worker's own log says every quarter of one that its loop has turned. */
const BEAT_MS = 1000;
/** A silence that a blind spell of the warden lies in counts anew from so long after it (README, freezes). */
const HEARD_AGAIN_MS = 2000;
/** After its start a process is silent until its agent has connected, and so after the warden's start. */
const CONNECT_MS = 5000;
/** A warden that was started anew stops what its predecessor has left before it starts its own workers. */
const SUCCESSION_MS = 20_000;
/** The refusals that say "it is over its limit, but". */
const HELD_BACK = new Set(['startup_grace', 'cooldown', 'budget', 'min_available', 'ineffective', 'in_progress', 'paused', 'outside_window']);

/** For a restart that was decided: those of its app that come before it, each with its evidence, stop and new process. */
const TURN_MS = 120_000;

/** Memory and descriptors are judged in a life of the warden of at least so long, its first third being its youth. */
const LEAST_LIFE_MS = 85_000;
const MOST_GROWTH = { rss: 0.1, fds: 0.1 };
/** Never called growth: a few megabytes come and go with a garbage collection, a few descriptors with connections. */
const NOISE = { rssBytes: 15e6, fds: 10 };

export function judge(records: Records): Finding[] {
  return [
    somethingSeen(records),
    overWithoutIncident(records),
    overWithoutEnd(records),
    frozenWithoutIncident(records),
    restartWithoutBreach(records),
    endWithoutReason(records),
    twoInCooldown(records),
    restartWithoutEnd(records),
    journalOnce(records),
    wardenFlat(records, 'memory'),
    wardenFlat(records, 'descriptors'),
  ];
}

export const holds = (findings: readonly Finding[]): boolean => findings.every(({ violations }) => violations.length === 0);

/** Of nothing, everything holds. */
function somethingSeen({ lives, journal, warden }: Records): Finding {
  const found = [['workers', lives.length], ['restarts', journal.restarts.length], ['looks at the warden', warden.length]] as const;
  const violations = found.flatMap(([what, count]) => (count > 0 ? [] : [`no ${what}`]));
  const seen = found.map(([what, count]) => `${count} ${what}`).join(', ');
  return { check: 'nothing to judge', cases: lives.length, violations, seen };
}

const nameOf = ({ app, worker }: { app: string; worker: string }): string => `${app}/${worker}`;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const isOf = ({ app, worker, pid, start }: Life, record: Restart | Refusal): boolean =>
  record.app === app && record.worker === worker && record.before?.pid === pid && record.before.start === start;

/** What is left of a span without the outages: whatever is counted begins anew after each. */
export function stretches({ from, to }: Span, outages: readonly Span[]): Span[] {
  let rest = [{ from, to }];
  for (const outage of outages) {
    rest = rest.flatMap((span) => {
      if (outage.to <= span.from || outage.from >= span.to) return [span];
      return [{ from: span.from, to: outage.from }, { from: outage.to, to: span.to }].filter((part) => part.to > part.from);
    });
  }
  return rest;
}

/** On record before `deadline`: a restart of this process, a refusal of it, or one of its slot that is still under way. */
function isOnRecord(life: Life, asked: string, stretch: Span, deadline: number, { restarts, refusals }: Journal): boolean {
  const isUnderWay = (one: Restart) => one.app === life.app && one.worker === life.worker && (one.doneAt ?? Infinity) >= stretch.from;
  return (
    restarts.some((one) => one.seenAt <= deadline && (isUnderWay(one) || (isOf(life, one) && one.result !== 'cancelled'))) ||
    refusals.some((one) => one.seenAt <= deadline && isOf(life, one) && one.asked === asked && HELD_BACK.has(one.reason))
  );
}

/**
 * Over the limit for `for` (and fallback_after) and two sample intervals, there is an incident. While the warden is dead
 * or has no room for a record nothing counts, and `for` begins anew after it.
 */
function overWithoutIncident({ rules, chaos, lives, journal }: Records): Finding {
  const most = rules.rssForMs + rules.fallbackMs + 2 * rules.sampleIntervalMs + LOOK_MS;
  const violations: string[] = [];
  let [cases, longest] = [0, 0];
  for (const life of lives) {
    const parts = life.over.flatMap((span) => stretches(span, [...chaos.down, ...chaos.full]));
    cases += life.over.length;
    for (const part of parts) {
      longest = Math.max(longest, part.to - part.from);
      if (part.to - part.from <= most || isOnRecord(life, 'rss', part, part.from + most, journal)) continue;
      violations.push(`${nameOf(life)} (pid ${life.pid}) was over its memory limit for ${seconds(part.to - part.from)}, and no incident tells of it`);
    }
  }
  return { check: 'over the memory limit without an incident', cases, violations, seen: `longest ${seconds(longest)}` };
}

/** Whatever is on record, as a cooldown: who stays over the limit is restarted in the end. Nothing counts over outages. */
function overWithoutEnd({ rules, chaos, lives }: Records): Finding {
  const most = rules.rssForMs + rules.fallbackMs + rules.cooldownMs + TURN_MS;
  const parts = lives.flatMap((life) =>
    life.over.flatMap((span) => stretches(span, [...chaos.down, ...chaos.full])).map((part) => ({ life, ms: part.to - part.from })),
  );
  const violations = parts.flatMap(({ life, ms }) =>
    ms <= most ? [] : [`${nameOf(life)} (pid ${life.pid}) was over its memory limit for ${seconds(ms)}, and nobody restarted it`],
  );
  return { check: 'over the memory limit without an end', cases: parts.length, violations, seen: longestOf(parts) };
}

/**
 * As with memory. A silence counts only where the warden can have heard the process before it, and anew, after
 * HEARD_AGAIN_MS, from a moment at which the warden's clock was set or the whole machine was starved.
 */
function frozenWithoutIncident({ rules, chaos, lives, journal, blind }: Records): Finding {
  const outages = [
    ...chaos.down.map(({ from, to }) => ({ from, to: to + CONNECT_MS })),
    ...chaos.full,
    ...[...chaos.clock.map(({ at }) => ({ from: at, to: at + LOOK_MS })), ...blind].map(({ from, to }) => ({ from, to: to + HEARD_AGAIN_MS })),
  ];
  const most = rules.freezeLimitMs + rules.fallbackMs + 2 * rules.sampleIntervalMs + BEAT_MS + LOOK_MS;
  const violations: string[] = [];
  let [cases, longest] = [0, 0];
  for (const life of lives) {
    for (const span of life.still) {
      if (span.to - span.from < rules.freezeLimitMs) continue;
      cases++;
      const lastStart = Math.max(-Infinity, ...chaos.down.map(({ to }) => to).filter((to) => to <= span.to));
      const couldBeHeard = span.from >= life.from + CONNECT_MS / 2 && span.from >= lastStart + CONNECT_MS;
      for (const part of couldBeHeard ? stretches(span, outages) : []) {
        longest = Math.max(longest, part.to - part.from);
        if (part.to - part.from <= most || isOnRecord(life, 'freeze', part, part.from + most, journal)) continue;
        violations.push(`${nameOf(life)} (pid ${life.pid}) was frozen for ${seconds(part.to - part.from)}, and no incident tells of it`);
      }
    }
  }
  return { check: 'frozen without an incident', cases, violations, seen: `longest ${seconds(longest)}` };
}

/** What was decided when the run was over already is nobody's concern. */
const done = ({ chaos, journal }: Records): Restart[] =>
  journal.restarts.filter(({ result, seenAt }) => result !== 'cancelled' && seenAt < chaos.endedAt);

/** For each restart the referee has itself seen the process that it names over that limit, for as long as it takes. */
function restartWithoutBreach(records: Records): Finding {
  const { rules, lives } = records;
  const violations: string[] = [];
  const restarts = done(records);
  const leeway = rules.sampleIntervalMs + LOOK_MS;
  for (const restart of restarts) {
    const life = lives.find((one) => isOf(one, restart));
    const what = `${restart.id}: ${nameOf(restart)} was restarted (${restart.asked})`;
    if (!life) violations.push(`${what}, of whose process ${restart.before?.pid ?? '(none)'} nobody else knows`);
    else if (restart.asked !== 'rss' && restart.asked !== 'freeze') violations.push(`${what}, which nobody has asked for here`);
    else {
      const [spans, needed] =
        restart.asked === 'rss' ? [life.over, rules.rssForMs - leeway] : [life.still, rules.freezeLimitMs - BEAT_MS - LOOK_MS];
      const held = spans
        .filter(({ from, to }) => from <= restart.seenAt && to >= restart.seenAt - leeway)
        .map(({ from, to }) => Math.min(to, restart.seenAt) - from);
      if (held.length === 0) violations.push(`${what}, and it was not over that limit`);
      else if (Math.max(...held) < needed) violations.push(`${what}, and had been over that limit for ${seconds(Math.max(...held))} only`);
    }
  }
  return { check: 'restart without a breach', cases: restarts.length, violations, seen: `${restarts.length} restarts` };
}

/**
 * A process ends because it said it would, because a restart in the journal names it, because heapwarden's child
 * processes go when it goes (the next one stops them), or, being the new one of a restart that was given up, with that.
 */
function endWithoutReason({ rules, chaos, lives, journal }: Records): Finding {
  const children = new Set(rules.apps.filter(({ supervisor }) => supervisor === 'child').map(({ name }) => name));
  const violations: string[] = [];
  let [cases, own] = [0, 0];
  for (const life of lives) {
    if (life.to === null || life.to >= chaos.endedAt) continue;
    cases++;
    const { to } = life;
    const byItself = life.goesAt !== null;
    if (byItself) own++;
    const byRecord = journal.restarts.some((one) => one.result !== 'cancelled' && isOf(life, one) && one.seenAt <= to + LOOK_MS);
    const bySuccession = children.has(life.app) && chaos.down.some((down) => to >= down.from && to <= down.to + SUCCESSION_MS);
    const isGivenUp = journal.restarts.some(
      (one) => nameOf(one) === nameOf(life) && one.result === 'not_ready' && one.seenAt <= life.from && (one.doneAt ?? Infinity) >= to - LOOK_MS,
    );
    if (byItself || byRecord || bySuccession || isGivenUp) continue;
    violations.push(`${nameOf(life)} (pid ${life.pid}) ended after ${seconds(to - life.from)}, and neither it nor the journal says why`);
  }
  return { check: 'ended, and nobody says why', cases, violations, seen: `${own} by themselves` };
}

/**
 * Between two restarts of a worker lies its cooldown. A warden that starts after its clock was set ahead has only that
 * clock to tell how old a record is: by so much the cooldown may then be shorter.
 */
function twoInCooldown(records: Records): Finding {
  const { rules, chaos } = records;
  const violations: string[] = [];
  const aheadAt = (at: number): number => chaos.clock.findLast((move) => move.at <= at)?.aheadMs ?? 0;
  const bySlot = grouped(done(records), nameOf);
  let [cases, shortest] = [0, Infinity];
  for (const [slot, restarts] of bySlot) {
    const inTurn = restarts.toSorted((a, b) => a.seenAt - b.seenAt);
    for (const [i, next] of inTurn.entries()) {
      const last = inTurn[i - 1];
      if (!last) continue;
      cases++;
      const gap = next.seenAt - last.seenAt;
      shortest = Math.min(shortest, gap);
      const starts = chaos.down.map(({ to }) => to).filter((to) => to > last.seenAt && to <= next.seenAt);
      const lost = Math.max(0, ...starts.map((at) => aheadAt(at) - aheadAt(last.seenAt)));
      if (gap < rules.cooldownMs - lost - LOOK_MS) violations.push(`${slot}: ${next.id} came ${seconds(gap)} after ${last.id}`);
    }
  }
  return { check: 'two restarts within a cooldown', cases, violations, seen: cases === 0 ? 'no pair' : `closest ${seconds(shortest)}` };
}

/** What was decided is done, or given up, while the warden lives and can write. */
function restartWithoutEnd({ chaos, journal }: Records): Finding {
  const parts = journal.restarts.flatMap((restart) => {
    const span = { from: restart.seenAt, to: Math.min(restart.doneAt ?? Infinity, chaos.endedAt) };
    return stretches(span, [...chaos.down, ...chaos.full]).map(({ from, to }) => ({ restart, ms: to - from }));
  });
  const violations = parts.flatMap(({ restart, ms }) =>
    ms <= TURN_MS ? [] : [`${restart.id}: the restart of ${nameOf(restart)} had no outcome for ${seconds(ms)}`],
  );
  return { check: 'a restart without an outcome', cases: journal.restarts.length, violations, seen: longestOf(parts) };
}

/** No line twice, no process restarted twice, no restart told that was not one. */
function journalOnce({ chaos, lives, journal }: Records): Finding {
  const violations = journal.doubled.map((id) => `${id} stands in the journal more than once`);
  if (journal.damaged > 0) violations.push(`${journal.damaged} lines of the journal cannot be read`);
  const replaced = journal.restarts.filter(({ result }) => result === 'recovered' || result === 'ineffective');
  for (const restarts of grouped(replaced, ({ before }) => `${before?.pid} ${before?.start}`).values()) {
    if (restarts.length > 1) violations.push(`${restarts.map(({ id }) => id).join(' and ')} are one restart`);
  }
  for (const one of replaced) {
    const life = lives.find((candidate) => isOf(candidate, one));
    const lived = life && (life.to ?? Infinity) > (one.doneAt ?? Infinity) + LOOK_MS && one.doneAt! < chaos.endedAt - LOOK_MS;
    if (lived) violations.push(`${one.id} says that process ${life.pid} of ${nameOf(one)} was replaced, and it went on`);
  }
  return { check: 'each restart in the journal once', cases: journal.restarts.length, violations, seen: `${journal.refusals.length} refusals beside` };
}

/** The longest life of the warden: its last third against the one before; and a bound at any time. */
function wardenFlat({ rules, warden }: Records, what: 'memory' | 'descriptors'): Finding {
  const isMemory = what === 'memory';
  const valueOf = (look: Records['warden'][number]): number => (isMemory ? look.rssBytes : look.fds);
  const words = (value: number): string => (isMemory ? `${(value / 1e6).toFixed(1)} MB` : `${value.toFixed(0)}`);
  const most = isMemory ? rules.wardenMostBytes : rules.wardenMostFds;
  const violations: string[] = [];
  const peak = Math.max(0, ...warden.map(valueOf));
  if (peak > most) violations.push(`the warden had ${words(peak)}, more than ${words(most)}`);
  const lives = [...grouped(warden, ({ pid }) => pid).values()];
  const lengthOf = (looks: Records['warden']) => (looks.at(-1)?.at ?? 0) - (looks[0]?.at ?? 0);
  const longest = lives.toSorted((a, b) => lengthOf(b) - lengthOf(a))[0] ?? [];
  const length = lengthOf(longest);
  const check = `the warden's ${what} flat`;
  if (length < LEAST_LIFE_MS) {
    const why = `its longest life had ${seconds(length)}, and a slope takes ${seconds(LEAST_LIFE_MS)}; peak ${words(peak)}`;
    return { check, cases: lives.length, violations, isOpen: true, seen: why };
  }
  const third = (n: number) => longest.filter(({ at }) => at >= longest[0]!.at + (n * length) / 3 && at <= longest[0]!.at + ((n + 1) * length) / 3);
  // V8's young space comes and goes in steps of 16 MiB, and stays for minutes: what is held shows at the lowest.
  const level = isMemory ? (values: readonly number[]) => Math.min(...values) : median;
  const [middle, end] = [level(third(1).map(valueOf)), level(third(2).map(valueOf))];
  const [share, noise] = isMemory ? [MOST_GROWTH.rss, NOISE.rssBytes] : [MOST_GROWTH.fds, NOISE.fds];
  if (end - middle > Math.max(share * middle, noise)) violations.push(`it grew from ${words(middle)} to ${words(end)} in ${seconds(length / 3)}`);
  const perHour = slope(longest.filter(({ at }) => at >= longest[0]!.at + length / 3).map((look) => [look.at / 3_600_000, valueOf(look)]));
  return { check, cases: lives.length, violations, seen: `${words(middle)}, then ${words(end)}; ${perHour < 0 ? '' : '+'}${words(perHour)} an hour; peak ${words(peak)}` };
}

const longestOf = (parts: readonly { ms: number }[]): string => `longest ${seconds(Math.max(0, ...parts.map(({ ms }) => ms)))}`;

function grouped<T, K>(values: readonly T[], keyOf: (value: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Least squares. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const n = points.length;
  const [meanX, meanY] = [points.reduce((sum, [x]) => sum + x, 0) / n, points.reduce((sum, [, y]) => sum + y, 0) / n];
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const under = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return under === 0 ? 0 : over / under;
}
