/** What the leak lab computes; and three of its programs through the whole of it, faster than in the bench. */
import t from 'tap';
import { FROZEN, HEALTHY, LEAKS } from '../apps/lab/lab.js';
import { falseAlarms, judgeLeak, rankIn, type Word } from './lab/life.js';
import { measureCost } from './lab/profiler-cost.js';
import { costLine, expectationList, freezeTable, healthyTable, leakTable, misses } from './lab/report.js';
import { freezeSession, memorySession } from './lab/sessions.js';
import { costShare, expectations, freezeRow, healthyRow, leakRow, type Findings } from './lab/verdicts.js';
import { wasRestarted, watch } from './lab/watch.js';

const turnOf = (perSecond: number) => ({ perSecond, perCpuSecond: 2 * perSecond });
/** `told` is a letter an hour: h for heap, n for native, a dot for nothing. */
const wordsOf = (told: string, forecast: (at: number) => number | null = () => null): Word[] =>
  [...told].map((letter, at) => ({ at, leak: letter === 'h' ? 'heap' : letter === 'n' ? 'native' : null, forecast: forecast(at) }));

t.test('a leak is judged by most words of the second half of its life, and by the forecast at half way', async (t) => {
  const words = wordsOf('..n.hhhhhh', (at) => (at < 4 ? null : 12 - at));
  t.strictSame(judgeLeak('heap', words, 9.5), { told: 'heap', isRight: true, knownFrom: 4 / 9.5, forecastError: (8 - 5.5) / 5.5 });
  t.strictSame(judgeLeak('native', words, 9.5), { told: 'heap', isRight: false, knownFrom: 2 / 9.5, forecastError: (8 - 5.5) / 5.5 });
  t.strictSame(judgeLeak('native', words, 3.5), { told: 'native', isRight: true, knownFrom: 2 / 3.5, forecastError: null }, 'what came after counts for nothing');
  t.strictSame(judgeLeak('heap', [], -1), { told: null, isRight: false, knownFrom: null, forecastError: null });
  t.strictSame(falseAlarms(wordsOf('..hnh.')), { alarms: 3, of: 6, classes: ['heap', 'native'] });
});

t.test('a restart that was called off is none: the process lives on, and has left no evidence', async (t) => {
  const outcomes = ['cancelled', 'recovered', 'ineffective', 'not_ready', 'failed'] as const;
  t.strictSame(outcomes.map((result) => wasRestarted({ outcome: { result } })), [false, true, true, true, true]);
  t.notOk(wasRestarted({ outcome: null }), 'under way');
});

t.test('the rank is that of the row that names the function, or that it was called by', async (t) => {
  const text = `What shop/0 allocated

   1.    60 MB   60%  push (node:events:10:5)
                      called by subscribe (/app/a.js:3:1)
   2.    30 MB   30%  new Checkout (/app/b.js:4:1)
  10.     1 MB    1%  (anonymous) (/app/c.js:4:1)
                      called by remember (/app/a.js:3:1)
        9 MB    9%  in 8 more
`;
  const ranks = ['push', 'subscribe', 'Checkout', 'remember', 'scribe', 'nobody'].map((name) => rankIn(text, name));
  t.strictSame(ranks, [1, 1, 2, 3, null, null]);
  t.equal(rankIn('', 'remember'), null);
});

t.test('what is missed is printed, and what was not seen', async (t) => {
  const [leak, healthy, freeze] = [LEAKS[0]!, HEALTHY[0]!, FROZEN[0]!];
  const findings: Findings = {
    leaks: [leakRow(leak, undefined), leakRow(LEAKS[12]!, { words: wordsOf('.nnnn', (at) => 4 - at), incident: null, life: 4, evidence: {} })],
    healthy: [healthyRow(healthy, undefined), healthyRow(healthy, { words: wordsOf('..h'), incident: null, life: null, evidence: {} })],
    freezes: [freezeRow(freeze, undefined)],
    cost: { off: [100, 200, 100].map(turnOf), on: [90, 190, 99].map(turnOf) },
  };
  t.match(leakTable(findings.leaks), /map-never-cleared .* NOT TOLD .* ABSENT .* NOT RESTARTED .* NO FORECAST/);
  t.match(leakTable(findings.leaks), /buffers-kept .* WRONG: native .* 4\.0 h .* 0 % /);
  t.match(healthyTable(findings.healthy), /NOT SEEN[^]*YES, at 1 of 3: heap/);
  t.match(freezeTable(findings.freezes), /NOT RESTARTED/);
  t.equal(costShare(findings.cost!).toFixed(3), '0.050');
  t.match(costLine(findings), /: 100 requests\/s without it and 99 with it; 200 and 198 for each .* is 5\.0 % less /);
  t.strictSame(expectations(findings).map(({ isMet }) => isMet), [false, true, false, false, false, false]);
  t.match(expectationList(expectations(findings)), /^MISSED {2}every freeze .*: 0 of 1\nmet/);
  t.equal(misses(findings).length, 3);
});

t.test('each program stands once in the table', async (t) => {
  const files = [...LEAKS, ...HEALTHY, ...FROZEN].map(({ file }) => file);
  t.equal(new Set(files).size, files.length);
  t.ok(LEAKS.filter(({ guilty }) => guilty !== null).length >= 10);
});

t.test('a leak, a look-alike and a freeze through the lab', { timeout: 165_000 }, async (t) => {
  const scope = Object.assign(t, { signal: new AbortController().signal });
  const leak = LEAKS.find(({ file }) => file === 'map-never-cleared')!;
  const healthy = HEALTHY.find(({ file }) => file === 'startup-ramp')!;
  const frozen = FROZEN.find(({ file }) => file === 'while-true')!;
  // Twice as fast as the bench. Three times, a busy machine cannot follow: the leak stalls, and rightly is none.
  const [memory, freezing] = await Promise.all([
    watch(scope, { ...memorySession([leak], [healthy], { pace: 120, ordersPerSecond: 80 }), leastMs: 0 }),
    watch(scope, freezeSession([frozen])),
  ]);
  const row = leakRow(leak, memory.get(leak.file));
  t.match(row, { told: 'heap', isRight: true, rank: 1 }, JSON.stringify({ ...row, words: memory.get(leak.file)!.words }));
  t.ok(row.life !== null && row.life > 0.5, `it lived for ${row.life} h of the lab's clock`);
  const seen = healthyRow(healthy, memory.get(healthy.file));
  t.ok(seen.of > 3, `${seen.of} looks`);
  t.equal(seen.alarms, 0);
  t.match(freezeRow(frozen, freezing.get(frozen.file)), { asked: 'freeze', isNamed: true, saysWhyNot: false });
});

t.test('the cost of the profiler is measured both ways', { timeout: 60_000 }, async (t) => {
  const scope = Object.assign(t, { signal: new AbortController().signal });
  const { off, on } = await measureCost(scope, { rounds: 1, turnMs: 1000 });
  t.equal(off.length, 1);
  t.equal(on.length, 1);
  const rates = [...off, ...on].flatMap(({ perSecond, perCpuSecond }) => [perSecond, perCpuSecond]);
  t.ok(Math.min(...rates) > 5 && Math.max(...rates) < 1e5, rates.join());
});
