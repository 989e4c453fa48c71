import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { Threads } from '../../src/agent/threads.cjs';

const started = async () => {
  const worker = new Worker('setInterval(() => {}, 1e6)', { eval: true });
  await once(worker, 'online');
  return worker;
};

/** One that has been ended so that nobody hears of it, and of which nothing else is kept here. */
async function endedUnheard(): Promise<WeakRef<Worker>> {
  const worker = await started();
  worker.removeAllListeners();
  await worker.terminate();
  return new WeakRef(worker);
}

t.test('a thread that ends unheard runs no more, and is not kept', async (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const threads = new Threads();
  const unheard = await endedUnheard();
  t.notMatch(threads.whyNotAsked(), /^\d/);

  const alsoUnheard = await endedUnheard();
  const running = await started();
  t.teardown(() => running.terminate());
  for (let i = 0; i < 100 && (unheard.deref() || alsoUnheard.deref()); i++) {
    await sleep(10);
    gc();
  }
  t.strictSame([unheard.deref(), alsoUnheard.deref()], [undefined, undefined]);
  t.match(threads.whyNotAsked(), /^1 worker thread runs, /);
});
