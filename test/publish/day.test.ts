/** The GC share of the last hour and day, as the API, the monitor and the status page tell it. */
import t from 'tap';
import { plainLines } from '../../src/monitor/plain.js';
import { RANGES, appHistory } from '../../src/publish/day.js';
import { HOUR, SECOND } from '../decide/support.js';
import { PLAIN, appStatus, viewOf, workerStatus } from '../monitor/support.js';
import { START, bookOf } from './day-book.js';

for (const everySeconds of [1, 5, 30, 60]) {
  t.test(`a fifth of the time, looked at every ${everySeconds} s`, async (t) => {
    // Ends in the midst of a slice, and of one that has just begun.
    for (const end of [START + HOUR + 67 * SECOND, START + HOUR + SECOND]) {
      const book = bookOf({ share: 0.2, everyMs: everySeconds * SECOND, end });
      for (const range of RANGES) {
        const { gc_ratio } = appHistory(book, 'shop', range, end).workers[0]!;
        const known = gc_ratio.filter((ratio) => ratio !== null);
        t.strictSame([...new Set(known)], [0.2], range);
        t.ok(known.length >= (range === '1h' ? 59 : 30), `${known.length} slices`);
      }
    }
  });
}

t.test('the monitor shows it, also of a slice that has just begun', async (t) => {
  const end = START + HOUR + 4 * SECOND;
  const book = bookOf({ share: 0.4, everyMs: SECOND, end });
  for (const range of RANGES) {
    const histories = new Map([['shop', appHistory(book, 'shop', range, end)]]);
    const line = plainLines(viewOf({ apps: [appStatus('shop', [workerStatus()])], histories, range }), PLAIN)
      .find((one) => one.startsWith('shop/0'));
    t.match(line, / 40% +3h20m$/, range);
  }
});

t.test('no more than all of the time', async (t) => {
  const end = START + HOUR;
  const book = bookOf({ share: 1.01, everyMs: 5 * SECOND, end });
  t.equal(appHistory(book, 'shop', '1h', end).workers[0]!.gc_ratio.at(-1), 1);
});
