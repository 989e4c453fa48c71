import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { underAny, underLate, unlessAborted } from '../src/abort.js';
import { systemClock } from '../src/clock.js';

const never = new Promise<never>(() => {});

t.test('whichever aborts first, with its reason', async (t) => {
  const [first, second] = [new AbortController(), new AbortController()];
  const reason = await underAny([first.signal, second.signal], async (signal) => {
    t.notOk(signal.aborted);
    second.abort('enough');
    first.abort('too late');
    return signal.reason as unknown;
  });
  t.equal(reason, 'enough');
});

t.test('one that has aborted before', async (t) => {
  const signals = [new AbortController().signal, AbortSignal.abort('long ago')];
  t.equal(await underAny(signals, ({ reason }) => reason as unknown), 'long ago');
});

t.test('what is left behind when the work is over', async (t) => {
  const source = new AbortController();
  let seen: AbortSignal | undefined;
  t.equal(await underAny([source.signal], async (signal) => ((seen = signal), 7)), 7);
  await t.rejects(underAny([source.signal], () => Promise.reject(new Error('failed'))), { message: 'failed' });
  await t.rejects(underAny([source.signal], () => { throw new Error('at once'); }), { message: 'at once' });
  source.abort();
  t.equal(seen!.aborted, false, 'nothing hears of it any more');
});

t.test('a while after', async (t) => {
  const source = new AbortController();
  const aborted = (signal: AbortSignal) =>
    new Promise<unknown>((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));
  const begun = performance.now();
  const waits = underLate(source.signal, 100, systemClock, aborted);
  source.abort('enough');
  t.equal(await waits, 'enough');
  t.ok(performance.now() - begun >= 99);
  t.equal(await underLate(source.signal, 10, systemClock, aborted), 'enough', 'one that has aborted before');
  const never = new AbortController();
  let seen: AbortSignal | undefined;
  t.equal(await underLate(never.signal, 10, systemClock, async (signal) => ((seen = signal), 7)), 7);
  never.abort();
  await sleep(40);
  t.equal(seen!.aborted, false, 'nothing hears of it any more');
});

t.test('work that nobody waits for any longer', async (t) => {
  const source = new AbortController();
  const { signal } = source;
  t.equal(await unlessAborted(signal, Promise.resolve('done'), null), 'done');
  await t.rejects(unlessAborted(signal, Promise.reject(new Error('failed')), null), { message: 'failed' });
  const waits = unlessAborted(signal, never, 'over');
  const fails = unlessAborted(signal, sleep(20).then(() => Promise.reject(new Error('unheard'))), 'over');
  source.abort();
  t.strictSame([await waits, await fails], ['over', 'over']);
  t.equal(await unlessAborted(signal, never, 'over before'), 'over before');
  await sleep(40); // an unhandled rejection would fail the test
});

t.test('a signal that lives long gathers nothing', async (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const long = new AbortController();
  const heapAfter = async (times: number): Promise<number> => {
    for (let i = 0; i < times; i++) {
      await underAny([long.signal, new AbortController().signal], (signal) => unlessAborted(signal, Promise.resolve(), null));
    }
    for (let i = 0; i < 2; i++) { // what is held weakly goes with the second
      await sleep(20);
      gc();
    }
    return process.memoryUsage().heapUsed;
  };
  await heapAfter(20_000); // compiled by now
  const [before, after] = [await heapAfter(0), await heapAfter(60_000)];
  t.ok((after - before) / 60_000 < 40, `${(after - before) / 60_000} bytes each time`);
});
