import t from 'tap';
import { advise } from '../../src/decide/advice.js';
import type { Advice, AdviceCode, PastRestart, WorkerFacts } from '../../src/decide/finding.js';
import { Series } from '../../src/observe/series.js';
import { BASE, DISEASES, live, type Life } from './diseases.js';
import { HOUR, MB, MINUTE, NOW, SECOND, appOf, workerOf, type Made } from './support.js';

const MIB = 2 ** 20;
const DEFAULT_LIMIT = 4144 * MIB;
const LIFE: Life = { seed: 1, noise: 0.005, sampleMs: 30 * SECOND };
const RSS = 'limits: { rss: { restart: 768MB } }';

/** Worker `0`, which has run for a day with this behind it. */
function facts(history: Series | null, made: Made = {}, restarts: PastRestart[] = []): WorkerFacts {
  const stats = made.stats === null ? null : { heap_limit: DEFAULT_LIMIT, heap_live: 60 * MB, ...made.stats };
  return { state: workerOf({ rssBytes: 200 * MB, startedAtMs: NOW - 24 * HOUR, ...made, stats }), history, restarts };
}

const codes = (advice: Advice[]): AdviceCode[] => advice.map(({ code }) => code);
const one = <C extends AdviceCode>(advice: Advice[], code: C): Extract<Advice, { code: C }> => {
  const found = advice.find((candidate) => candidate.code === code);
  if (!found) throw new Error(`no ${code} among ${codes(advice).join(', ')}`);
  return found as Extract<Advice, { code: C }>;
};
const about = (keys: string, ...workers: WorkerFacts[]): Advice[] => advise(appOf(keys), workers, NOW);

const healthy = (hours: number, life: Partial<Life> = {}) => live({}, { ...LIFE, ...life }, hours * HOUR);

t.test('a leak: its class and rate, how often it makes a restart necessary, and the schedule that fits', async (t) => {
  const advice = about(RSS, facts(live(DISEASES['heap']!(100 * MB), LIFE, 4 * HOUR)));
  t.strictSame(codes(advice), ['leak', 'restart_interval', 'heap_limit_above_rss_limit']);
  const leak = one(advice, 'leak');
  t.match(leak.sentence, /^leaks: its heap grows by \d+(\.\d)? MB an hour \(confidence [\d.]+\); at this rate it reaches 768 MB in \dh\d+m; measured for 3h\d+m$/);
  t.match(leak.change, /suspects\.txt/);
  t.equal(leak.figures.class, 'heap');
  t.ok(Math.abs(leak.figures.bytes_per_second * 3600 - 100 * MB) < 25 * MB);
  const interval = one(advice, 'restart_interval');
  t.ok(Math.abs(interval.figures.seconds - 5.6 * 3600) < 0.25 * 5.6 * 3600, `about ${interval.figures.seconds / 3600} h`);
  t.match(interval, { figures: { by: 'trend', restarts: 0 }, sentence: /^reaches its restart limit of 768 MB about every [456]h.* from its baseline of 2\d\d MB; measured for 3h/ });
  t.match(interval.change, /^schedule: "0 \*\/[34] \* \* \*" would restart it before the limit does, at hours of your choice, at about [56]\d\d MB$/);
  t.equal(one(about(`${RSS}, schedule: "0 5 * * *"`, facts(live(DISEASES['heap']!(100 * MB), LIFE, 4 * HOUR))), 'restart_interval').change, null, 'it has one');
});

for (const [name, where] of [['buffers', /Buffers/], ['native', /malloc/], ['children', /child processes/]] as const) {
  t.test(`a leak of ${name}: where to look`, async (t) => {
    const advice = about(RSS, facts(live(DISEASES[name]!(100 * MB), LIFE, 4 * HOUR)));
    t.match(one(advice, 'leak'), { figures: { class: name }, change: where });
  });
}

t.test('a leak without an agent, and one without a profiler', async (t) => {
  const blind = about(RSS, facts(live(DISEASES['native']!(200 * MB), { ...LIFE, agent: false }, 6 * HOUR), { stats: null }));
  t.strictSame(codes(blind), ['leak', 'restart_interval', 'no_agent']);
  t.match(one(blind, 'leak'), { figures: { class: 'unknown' }, change: /agent/ });
  const late = facts(live(DISEASES['heap']!(100 * MB), { ...LIFE, agentAtMs: 4 * HOUR }, 4.25 * HOUR));
  t.match(one(about(RSS, late), 'leak'), { figures: { class: 'unknown' }, change: null }, 'it has one, which knows too little yet');
  const heap = facts(live(DISEASES['heap']!(100 * MB), LIFE, 4 * HOUR));
  t.match(one(about(`${RSS}, evidence: { profile: false }`, heap), 'leak').change, /^set evidence: \{ profile: true/);
});

t.test('nothing to say is said, with how long it was looked at', async (t) => {
  const fits = facts(healthy(2), { stats: { heap_limit: 384 * MIB } });
  const advice = about(RSS, fits);
  t.equal(advice.length, 1);
  t.match(advice, [
    {
      code: 'no_leak',
      workers: ['0'],
      sentence: /^has no leak for certain: 1\d\d MB at the least and 2\d\d MB at the most of 768 MB, over 1h\d+m; there is nothing to change$/,
      change: null,
    },
  ]);
});

t.test('too early for a word on a leak; what one look tells is told', async (t) => {
  const young = { startedAtMs: NOW - 4 * MINUTE, stats: { heap_limit: 384 * MIB } };
  t.strictSame(about(RSS, facts(new Series(), young)), [
    {
      code: 'too_early',
      workers: ['0'],
      figures: { uptime_seconds: 240, trend_after_seconds: 600 },
      measuredMs: 0,
      sentence: 'has run for 4m and has not been measured over time yet: its first 10m tell nothing, and a trend needs 10m after them',
      change: null,
    },
  ]);
  t.match(about(RSS, facts(healthy(0.3), { ...young, startedAtMs: NOW - 18 * MINUTE }))[0], { sentence: /^has run for 18m and was measured for [78]m only:/ });
  const above = about(RSS, facts(new Series(), { ...young, stats: {} }));
  t.strictSame(codes(above), ['heap_limit_above_rss_limit', 'too_early']);
  t.match(one(above, 'heap_limit_above_rss_limit').sentence, /\(as it is now\)/);
});

t.test('not running, and without an agent', async (t) => {
  t.strictSame(codes(about(RSS, facts(null, { pid: null }))), ['not_running']);
  const blind = healthy(2, { agent: false });
  t.strictSame(codes(about(RSS, facts(blind, { stats: null }))), ['no_agent', 'no_leak']);
  t.match(one(about(`${RSS}, runtime: none`, facts(blind, { stats: null })), 'no_agent').change, /runtime: agent/);
});

t.test('a heap limit above the restart limit: a value that keeps V8 below it', async (t) => {
  const history = healthy(2);
  const advice = about(RSS, facts(history));
  t.strictSame(codes(advice), ['heap_limit_above_rss_limit', 'no_leak']);
  const { figures, change, sentence } = one(advice, 'heap_limit_above_rss_limit');
  // 0.9 × 768 MB, less 10 MB external and 80 MB native (with their noise), less three semi-spaces of 16 MiB.
  t.ok([496, 512, 528].includes(figures.suggested_old_space_bytes / MIB), String(figures.suggested_old_space_bytes / MIB));
  t.match(change, new RegExp(`^start it with --max-old-space-size=${figures.suggested_old_space_bytes / MIB} \\(nine tenths .*\\); and set limits: { heap: { restart: 95% } }`));
  t.match(sentence, /^has a heap limit of 4\.35 GB, which with the [\d.]+ MB outside the heap \(over 1h\d+m\) is above its restart limit of 768 MB/);
  const guarded = 'limits: { rss: { restart: 768MB }, heap: { restart: 95% } }';
  t.notMatch(one(about(guarded, facts(history)), 'heap_limit_above_rss_limit').change, /heap: \{/);
  const followed = facts(history, { stats: { heap_limit: figures.suggested_old_space_bytes + 48 * MIB } });
  t.strictSame(codes(about(guarded, followed)), ['no_leak'], 'who follows it is told no more');
});

t.test('where the restart limit leaves the heap no room, both have to change', async (t) => {
  const history = live({ heap: () => 100 * MB }, LIFE, 2 * HOUR);
  const { change, figures } = one(about('limits: { rss: { restart: 300MB } }', facts(history)), 'heap_limit_above_rss_limit');
  t.match(change, /three times what lives\), and set limits: \{ rss: \{ restart: \d+MB \} \}: the limit leaves too little for [\d.]+ MB that live/);
  const limits = /limits: \{ rss: \{ restart: \w+ \} \}/.exec(change!)![0];
  const followed = facts(history, { stats: { heap_limit: figures.suggested_old_space_bytes + 48 * MIB } });
  t.strictSame(codes(about(limits, followed)), ['no_leak']);
});

t.test('a heap limit that what lives nearly fills', async (t) => {
  const history = healthy(2);
  const advice = about(RSS, facts(history, { stats: { heap_limit: 72 * MB } }));
  t.strictSame(codes(advice), ['heap_limit_too_low', 'no_leak']);
  const found = one(advice, 'heap_limit_too_low');
  t.match(found.sentence, /^has a heap limit of 72 MB, of which 8\d% \(60[.\d]* MB\) still live after major GCs, over 1h\d+m; garbage collection took 2\.0% of the last 5\dm$/);
  t.match(found.change, /^start it with --max-old-space-size=176 \(three times what lives\)$/);
  t.equal(found.figures.gc_ratio, 0.02);
  const tight = one(about('limits: { rss: { restart: 300MB } }', facts(history, { stats: { heap_limit: 72 * MB } })), 'heap_limit_too_low');
  t.match(tight.change, /, and set limits: \{ rss: \{ restart: \d\d0MB \} \} with it$/);
  const leaking = live(DISEASES['heap']!(100 * MB), LIFE, 4 * HOUR);
  t.notOk(codes(about(RSS, facts(leaking, { stats: { heap_limit: 550 * MB, heap_live: 450 * MB } }))).includes('heap_limit_too_low'), 'a leak fills any heap');
});

t.test('half a heap is too full where GC eats the CPU', async (t) => {
  const busy = (gcShare: number) => {
    const series = new Series();
    for (let at = 0; at <= HOUR; at += 10 * SECOND) {
      const runtime = { heapTotal: 90 * MB, heapHeld: 70 * MB, heapLive: 60 * MB + (at % MINUTE) / 100, external: 5 * MB, gcSeconds: (at / 1000) * gcShare, resources: {} };
      series.add({ at, treeRss: 180 * MB, rootRss: 180 * MB, ownRss: 180 * MB, runtime });
    }
    return facts(series, { stats: { heap_limit: 100 * MB } });
  };
  t.match(one(about(RSS, busy(0.3)), 'heap_limit_too_low').sentence, /60% .*; garbage collection took 30% of the last 5\dm$/);
  t.strictSame(codes(about(RSS, busy(0.05))), ['no_leak']);
});

t.test('GC figures of two agents are not one', async (t) => {
  const series = new Series();
  for (let i = 0; i <= 120; i++) {
    const runtime = { heapTotal: 90 * MB, heapHeld: 70 * MB, heapLive: 60 * MB, external: 5 * MB, gcSeconds: i < 60 ? 1000 + i : i, resources: {} };
    series.add({ at: i * 30 * SECOND, treeRss: 180 * MB, rootRss: 180 * MB, ownRss: 180 * MB, runtime });
  }
  t.equal(one(about(RSS, facts(series, { stats: { heap_limit: 66 * MB } })), 'heap_limit_too_low').figures.gc_ratio, null);
});

t.test('what a lower heap limit would save: at least and at most', async (t) => {
  const wasteful = { garbage: 700 * MB, gcMs: 30 * MINUTE };
  const history = healthy(30, wasteful);
  const keys = 'limits: { rss: { restart: 6GB } }';
  const early = codes(about(keys, facts(healthy(6, wasteful))));
  t.notOk(early.includes('heap_limit_lower'), 'not before a whole day of load');
  const found = one(about(keys, facts(history)), 'heap_limit_lower');
  const { heap_reserved_bytes: reserved, heap_live_bytes: lives, saved_least_bytes: least, saved_most_bytes: most } = found.figures;
  t.ok(lives > 59 * MB && lives < 62 * MB);
  t.ok(reserved >= 480 * MB && reserved < 800 * MB, String(reserved));
  t.equal(most, reserved - lives);
  t.ok(Math.abs(least - (reserved - (176 + 48) * MIB)) <= 1, 'what is above its cap');
  t.match(found.change, /^--max-old-space-size=176 \(three times the most that lived\) would save \d+ MB to \d+ MB, as far as they are resident; garbage collection took 2\.0% of the last \d+m, and would take more$/);
  const limited = codes(about(keys, facts(history, { stats: { heap_limit: 224 * MIB } })));
  t.notOk(limited.includes('heap_limit_lower'), 'it has that limit');

  const nightly = new Series();
  for (let i = 0; i <= 30 * 60; i++) {
    const runtime = { heapTotal: 700 * MB, heapHeld: 600 * MB, heapLive: (i % 1440 === 200 ? 150 : 60) * MB, external: 5 * MB, gcSeconds: i / 10, resources: {} };
    nightly.add({ at: i * MINUTE, treeRss: 800 * MB, rootRss: 800 * MB, ownRss: 800 * MB, runtime });
  }
  const { sentence, figures } = one(about(keys, facts(nightly)), 'heap_limit_lower');
  t.match(sentence, /of which 60 MB live after major GCs \(medians over .*\), 150 MB at the most$/);
  t.ok(figures.suggested_old_space_bytes >= 3 * 150 * MB, 'by what lives for some minutes of the night');
});

t.test('the restart limit against what the process needs', async (t) => {
  const heap = { stats: { heap_limit: 100 * MB } };
  const day = healthy(30);
  const few = facts(healthy(2), heap);
  const low = one(about('limits: { rss: { restart: 220MB } }', few), 'rss_limit_too_low');
  t.match(low.sentence, /^had 1\d\d MB at the least and 2\d\d MB at the most, over 1h\d+m, without a leak for certain; its restart limit of 220 MB is close to what it needs anyway$/);
  t.ok(low.figures.suggested_bytes >= 1.5 * low.figures.most_bytes);
  const high = one(about('limits: { rss: { restart: 2GB } }', facts(day, heap)), 'rss_limit_too_high');
  t.match(high.sentence, /; a leak could take 1\.\d+ GB more before its restart limit of 2 GB$/);
  t.strictSame(codes(about('limits: { rss: { restart: 2GB } }', few)), ['no_leak'], 'not before a whole day');
  const none = one(about('', few), 'no_rss_limit');
  t.match(none.change, /; ask again after a whole day of load$/);
  t.notMatch(one(about('', facts(day, heap)), 'no_rss_limit').change, /ask again/);
  for (const { change } of [low, high, none]) {
    const setting = /limits: \{.*\} \}/.exec(change!)![0];
    t.strictSame(codes(about(setting, facts(day, heap))), ['no_leak'], `who follows it is told no more: ${setting}`);
  }
  const peaks = new Series();
  for (let i = 0; i <= 30 * 60; i++) {
    const rss = (i % 100 === 50 ? 285 : 150) * MB;
    peaks.add({ at: i * MINUTE, treeRss: rss, rootRss: rss, ownRss: rss, runtime: null });
  }
  t.ok(codes(about('limits: { rss: { restart: 300MB } }', facts(peaks, { stats: null }))).includes('rss_limit_too_low'), 'peaks of a day');
});

const HEAP_LEAK = 'its heap grows by 31 MB an hour (confidence 0.9)';
const restart = (hoursAgo: number, more: Partial<PastRestart> = {}): PastRestart => ({
  id: `i${hoursAgo}`, worker: '0', atMs: NOW - hoursAgo * HOUR, asked: 'rss', ranMs: 9 * HOUR, beforeBytes: 770 * MB, afterBytes: 140 * MB,
  leak: HEAP_LEAK, finding: `63% of the 210 MB are from remember (/srv/shop.js:7:12)`, folder: '/state/evidence/shop/x', ...more,
});

t.test('the restarts of before: who was suspected, what leaked, how often', async (t) => {
  const past = [restart(1), restart(10, { ranMs: 8.5 * HOUR }), restart(19), restart(30, { asked: 'freeze', ranMs: MINUTE })];
  const heap = { startedAtMs: NOW - 5 * MINUTE, stats: { heap_limit: 384 * MIB } };
  const advice = about(RSS, facts(new Series(), heap, past));
  t.strictSame(codes(advice), ['leaked_before', 'suspect', 'restart_interval', 'too_early']);
  t.match(one(advice, 'suspect'), {
    sentence: 'was restarted for its memory at 2023-11-14T21:13:20Z: 63% of the 210 MB are from remember (/srv/shop.js:7:12)',
    change: 'read /state/evidence/shop/x/suspects.txt',
    figures: { incident: 'i1' },
    measuredMs: 9 * HOUR,
  });
  t.match(one(advice, 'leaked_before').sentence, `leaked before it was restarted at 2023-11-14T21:13:20Z: ${HEAP_LEAK}`);
  t.match(one(advice, 'restart_interval'), {
    sentence: 'was restarted for its memory after 9h in the median of its last 3 such restarts (8h30m to 9h)',
    change: 'schedule: "0 */6 * * *" would restart it before the limit does, at hours of your choice',
    figures: { by: 'restarts', seconds: 9 * 3600, restarts: 3, bytes_per_second: Math.round((630 * MB) / 9 / 3600) },
    measuredMs: 28 * HOUR,
  });
  const often = [1, 2, 3].map((hours) => restart(hours, { ranMs: 4 * MINUTE, leak: null, finding: null }));
  const hurried = about(RSS, facts(new Series(), heap, often));
  t.strictSame(codes(hurried), ['restart_interval', 'too_early']);
  t.match(one(hurried, 'restart_interval').change, /^too often for a schedule/);
  t.strictSame(codes(about(RSS, facts(new Series(), heap, [restart(1, { asked: 'manual' })]))), ['too_early'], 'a person restarts for reasons of their own');
});

t.test('who has outlived the restarts of before without a leak needs no schedule', async (t) => {
  const past = [28 * 24, 28 * 24 + 9, 28 * 24 + 18].map((hoursAgo) => restart(hoursAgo));
  const after = (hours: number, history: Series) =>
    codes(about(RSS, facts(history, { startedAtMs: NOW - hours * HOUR, stats: { heap_limit: 384 * MIB } }, past)));
  t.strictSame(after(27 * 24, healthy(30)), ['suspect', 'rss_limit_too_high', 'no_leak']);
  t.strictSame(after(9.5, healthy(9.5)), ['suspect', 'no_leak']);
  t.strictSame(after(8, healthy(8)), ['suspect', 'restart_interval', 'no_leak'], 'it has not come so far yet');
  t.ok(after(9.5, live(DISEASES['heap']!(50 * MB), LIFE, 9.5 * HOUR)).includes('restart_interval'), 'it leaks, only slower');
  t.strictSame(after(27 * 24, new Series()), ['leaked_before', 'suspect', 'restart_interval', 'too_early'], 'nobody knows yet');
});

t.test('what is true of several workers is told once', async (t) => {
  const [a, b] = [facts(healthy(2)), facts(healthy(2, { seed: 2 }), { worker: '1' })];
  const advice = about(RSS, a, b, facts(null, { worker: '2', pid: null }));
  t.strictSame(advice.map(({ code, workers }) => [code, workers]), [
    ['not_running', ['2']], ['heap_limit_above_rss_limit', ['0', '1']], ['no_leak', ['0', '1']],
  ]);
});

t.test('the memory of the process alone, where that is what counts', async (t) => {
  const history = live({ children: () => 300 * MB }, LIFE, 2 * HOUR);
  const heap = { stats: { heap_limit: 384 * MIB } };
  t.match(one(about(`${RSS}, memory: process`, facts(history, heap)), 'no_leak').sentence, /1\d\d MB at the least and 2\d\d MB/);
  t.match(one(about('limits: { rss: { restart: 900MB } }', facts(history, heap)), 'no_leak').sentence, /4\d\d MB at the least and 5\d\d MB/);
});

t.test('a leak hides its baseline from nobody', async (t) => {
  const { sentence } = one(about(RSS, facts(live({ heap: (ms) => BASE.heap + (100 * MB * ms) / HOUR }, LIFE, 5 * HOUR))), 'restart_interval');
  const baseline = Number(/baseline of (\d+)/.exec(sentence)![1]);
  t.ok(baseline > 180 && baseline < 245, sentence);
});
