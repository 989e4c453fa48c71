import t from 'tap';
import {
  formatBytes,
  formatDuration,
  formatElapsed,
  parseBudget,
  parseBytes,
  parseDuration,
  parsePercent,
} from '../src/units.js';

/** The same numbers in every run, small and large alike: mulberry32, spread over the powers of two. */
function* numbers(count: number, mostBits: number): Generator<number> {
  let state = 0x9e3779b9;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < count; i++) yield Math.floor(2 ** (random() * mostBits));
}

t.test('sizes', async (t) => {
  const sizes: [string | number, number | null][] = [
    ['0', 0],
    ['1', 1],
    [768, 768],
    ['12B', 12],
    ['1kB', 1000],
    ['1KB', 1000],
    ['500MB', 500_000_000],
    ['500 MB', 500_000_000],
    ['1.5GB', 1_500_000_000],
    ['2TB', 2_000_000_000_000],
    ['1KiB', 1024],
    ['1.5GiB', 1_610_612_736],
    ['1TiB', 1_099_511_627_776],
    ['1K', 1024],
    ['512M', 536_870_912],
    ['2G', 2_147_483_648],
    ['', null],
    ['MB', null],
    ['500XB', null],
    ['500mb', null],
    ['500  MB', null],
    ['-1MB', null],
    ['1e3', null],
    ['1.MB', null],
    [' 1MB', null],
    ['1MB\n', null],
    ['5constructor', null],
    ['9007199254740992', null],
    ['9007199254740991', 9_007_199_254_740_991],
    [-1, null],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, null],
  ];
  for (const [text, bytes] of sizes) t.equal(parseBytes(text), bytes, `${JSON.stringify(text)} is ${bytes}`);

  const shown: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [999.6, '1 kB'],
    [1000, '1 kB'],
    [9_960_000, '9.96 MB'],
    [9_994_999, '9.99 MB'],
    [9_996_000, '10 MB'],
    [99_600_000, '99.6 MB'],
    [99_960_000, '100 MB'],
    [183_400_000, '183 MB'],
    [999_499_999, '999 MB'],
    [999_500_000, '1 GB'],
    [1_210_000_000, '1.21 GB'],
    [2_500_000_000_000, '2500 GB'],
    [-183_400_000, '-183 MB'],
  ];
  for (const [bytes, text] of shown) t.equal(formatBytes(bytes), text, `${bytes} shows as ${text}`);

  let worst = 0;
  for (const bytes of numbers(2000, 52)) {
    const again = parseBytes(formatBytes(bytes));
    worst = Math.max(worst, Math.abs((again ?? Number.NaN) - bytes) / bytes);
  }
  t.ok(worst <= 0.005, `what is shown reads as the same size to half a percent (${worst})`);
});

t.test('durations', async (t) => {
  const durations: [string, number | null][] = [
    ['0', 0],
    ['0s', 0],
    ['250ms', 250],
    ['5s', 5000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['6h', 21_600_000],
    ['1d', 86_400_000],
    ['1w', 604_800_000],
    ['1y', 31_536_000_000],
    ['1y2w3d4h5m6s7ms', 31_536_000_000 + 2 * 604_800_000 + 3 * 86_400_000 + 14_706_007],
    ['', null],
    ['5', null],
    ['s', null],
    ['1.5h', null],
    ['-5s', null],
    ['30m1h', null],
    ['5s5s', null],
    ['5 s', null],
    ['5S', null],
    ['5s\n', null],
    ['9007199254740993ms', null],
  ];
  for (const [text, ms] of durations) t.equal(parseDuration(text), ms, `${JSON.stringify(text)} is ${ms}`);

  const shown: [number, string][] = [
    [0, '0s'],
    [1, '1ms'],
    [999.6, '1s'],
    [1500, '1s500ms'],
    [5_400_000, '1h30m'],
    [8 * 86_400_000, '8d'],
    [-1500, '-1s500ms'],
  ];
  for (const [ms, text] of shown) t.equal(formatDuration(ms), text, `${ms} shows as ${text}`);

  const unlike = [...numbers(2000, 45)].filter((ms) => parseDuration(formatDuration(ms)) !== ms);
  t.same(unlike, [], 'what is shown reads as the same duration, to the millisecond');

  const elapsed: [number, string][] = [
    [0, '0.0 s'],
    [840, '0.8 s'],
    [9949, '9.9 s'],
    [9950, '10 s'],
    [12_400, '12 s'],
    [59_499, '59 s'],
    [59_500, '1m'],
    [200_400, '3m20s'],
  ];
  for (const [ms, text] of elapsed) t.equal(formatElapsed(ms), text, `${ms} elapsed shows as ${text}`);
});

t.test('percentages', async (t) => {
  const percentages: [string, number | null][] = [
    ['0%', 0],
    ['7%', 0.07],
    ['80%', 0.8],
    ['99.5%', 0.995],
    ['100%', 1],
    ['100.1%', null],
    ['80', null],
    ['-1%', null],
    ['80 %', null],
    ['%', null],
  ];
  for (const [text, ratio] of percentages) t.equal(parsePercent(text), ratio, `${text} is ${ratio}`);
  const unlike = Array.from({ length: 101 }, (_, n) => n).filter((n) => parsePercent(`${n}%`) !== Number(`${n}e-2`));
  t.same(unlike, [], 'every whole percentage is the ratio a person would write for it');
});

t.test('budgets', async (t) => {
  t.same(parseBudget('5/1h'), { count: 5, windowMs: 3_600_000 });
  t.same(parseBudget('0/1d'), { count: 0, windowMs: 86_400_000 }, 'no restart at all');
  for (const text of ['5', '5/', '/1h', '5/0s', '5/1', '-5/1h', '1.5/1h', '5/1h/1h', '5 / 1h', '']) {
    t.equal(parseBudget(text), null, `${JSON.stringify(text)} is no budget`);
  }
});
