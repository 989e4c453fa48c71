import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createMeter } from '../../src/agent/meter.cjs';
import { SelfMetrics } from '../../src/publish/self.js';
import { linesOf, page } from './support.js';

t.test("the warden's own metrics", async (t) => {
  const meter = createMeter({ windowMs: 200 });
  const self = new SelfMetrics(meter, async () => 21);
  t.teardown(() => {
    self.close();
    meter.close();
  });
  const scrape = () => page([{ name: 'self', collect: () => self.families() }]);
  const lagOf = async () => linesOf(await scrape(), 'nodejs_eventloop_').filter((line) => !line.startsWith('#'));
  while (meter.read().loop === null) await sleep(20);

  t.test('stand unprefixed, as prom-client has them', async (t) => {
    const text = await scrape();
    for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total', 'nodejs_heap_size_used_bytes']) {
      t.match(text, new RegExp(`^# TYPE ${name} `, 'm'));
    }
    t.match(text, /^nodejs_gc_duration_seconds_count\{kind="minor"\} \d+$/m, 'ours, which miss no GC');
    t.notMatch(text, /^# TYPE nodejs_active_(\w+_total|handles|requests) /m);
    t.match(text, /^nodejs_active_resources\{type="\w+"\} \d+$/m, 'the same by the public API');
    t.match(text, /^# TYPE process_open_fds gauge\nprocess_open_fds 21$/m, 'as the system counts them');
  });

  t.test('read the same for two servers', async (t) => {
    let [first, second]: [string[], string[]] = [[], []];
    let window;
    do {
      window = meter.read().loop;
      [first, second] = [await lagOf(), await lagOf()];
    } while (meter.read().loop !== window); // it ended in between
    t.strictSame(second, first);
    t.strictSame(first.map((line) => line.split(' ')[0]), [
      'nodejs_eventloop_lag_mean_seconds',
      'nodejs_eventloop_lag_p50_seconds',
      'nodejs_eventloop_lag_p90_seconds',
      'nodejs_eventloop_lag_p99_seconds',
      'nodejs_eventloop_lag_max_seconds',
      'nodejs_eventloop_utilization_ratio',
    ]);
    t.ok(first.every((line) => Number(line.split(' ')[1]) >= 0), 'and none is NaN');
  });
});
