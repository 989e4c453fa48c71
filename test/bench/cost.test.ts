/** What the benches of cost compute, and that their probes see what is there. The benches themselves are not run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { idleTable, judge, throughputTable } from './agent/report.js';
import { Hammer, turnOf, type Burst, type Turn } from './agent/throughput.js';
import { exponentOf } from './growth.js';
import { medianInterval } from './interval.js';
import { cpuMs, memoryOf } from './process-cost.js';
import type { RunningSide } from './agent/sides.js';
import { costTable, growthTable, judge as judgeWarden, type Cost } from './warden/report.js';

t.test('a median, and how far it can be trusted', async (t) => {
  const sixteen = Array.from({ length: 16 }, (_, i) => 16 - i);
  t.match(medianInterval(sixteen), { median: 8.5, low: 4, high: 13 }, 'the 4th and the 13th of 16, as in the tables');
  t.ok(Math.abs(medianInterval(sixteen).confidence - 0.97873) < 1e-5);
  t.match(medianInterval([3, 1, 2, 5, 4]), { median: 3, low: 1, high: 5, confidence: 0.9375 }, 'too few for more');
  t.same(medianInterval([7]), { median: 7, low: 7, high: 7, confidence: 0 });
  t.match(medianInterval(Array.from({ length: 20 }, (_, i) => i + 1)), { low: 6, high: 15 });
  t.throws(() => medianInterval([]), RangeError);
});

t.test('an exponent', async (t) => {
  const power = (exponent: number) => [1, 20, 200, 1000].map((size) => ({ size, value: 3 * size ** exponent }));
  for (const exponent of [0, 0.5, 1, 2]) t.ok(Math.abs(exponentOf(power(exponent))! - exponent) < 1e-9, `${exponent}`);
  t.equal(exponentOf([{ size: 5, value: 1 }]), null);
  t.equal(exponentOf([{ size: 5, value: 1 }, { size: 5, value: 2 }]), null, 'one size');
  t.equal(exponentOf([]), null);
});

t.test('what a process costs', async (t) => {
  const before = cpuMs(process.pid);
  for (const end = performance.now() + 100; performance.now() < end; );
  const used = cpuMs(process.pid) - before;
  t.ok(used > 10 && used < 2000, `${used} ms`);
  const { rss, pss, anonymous } = memoryOf(process.pid);
  t.ok(pss <= rss && anonymous <= rss && anonymous > 1e6, `${rss}, ${pss}, ${anonymous}`);
  t.ok(Math.abs(rss - process.memoryUsage.rss()) < 0.3 * rss);
  const child = spawn('/bin/true');
  await once(child, 'exit');
  t.throws(() => cpuMs(child.pid!), { code: 'ENOENT' });
});

t.test('the load counts answers', async (t) => {
  let served = 0;
  const server = createServer((_, response) => {
    served += 1;
    response.end('hello');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const hammer = new Hammer(null);
  t.teardown(() => {
    hammer.close();
    server.closeAllConnections();
    server.close();
  });
  const side = { port: (server.address() as AddressInfo).port, pid: process.pid } as RunningSide;
  const { requestsPerSecond, cpuMicrosecondsPerRequest } = await hammer.burst(side, 300);
  t.ok(requestsPerSecond * 0.3 <= served && served > 16, `${requestsPerSecond} a second, ${served} in all`);
  t.ok(cpuMicrosecondsPerRequest > 0);
  server.removeAllListeners('request');
  server.on('request', (_, response) => response.writeHead(500).end());
  await t.rejects(hammer.burst(side, 300), /the load broke off/);
});

const burst = (requestsPerSecond: number, cpuMicrosecondsPerRequest = 1e6 / requestsPerSecond): Burst =>
  ({ requestsPerSecond, cpuMicrosecondsPerRequest });
const turn = (side: string, requestsRatio: number): Turn =>
  ({ side, requestsRatio, cpuRatio: 1 / requestsRatio, ...burst(20_000 * requestsRatio) });
const idle = (side: string, megabytes: number, cpuShare: number) =>
  ({ side, cpuShare, rss: megabytes * 1e6, pss: megabytes * 5e5, anonymous: megabytes * 4e5 });

t.test('what the agent is judged by', async (t) => {
  const pairs = [[90, 100], [198, 200], [50, 40]].map(([own, bare]) => ({ own: burst(own!), bare: burst(bare!) }));
  t.match(turnOf('it', pairs), { side: 'it', requestsPerSecond: 90, requestsRatio: 0.99 }, 'each beside its neighbours');
  const even = [[50, 100], [100, 50]].map(([own, bare]) => ({ own: burst(own!), bare: burst(bare!) }));
  t.match(turnOf('it', even), { requestsPerSecond: 75, requestsRatio: 1.25 }, 'neither of the two in the middle alone: it would be the lower one always');
  const names = { bare: 'bare', agent: 'we', rival: 'they' };
  const kept = (turns: Turn[], idles: ReturnType<typeof idle>[]) => judge(turns, idles, names).map((verdict) => verdict.kept);
  const idles = [idle('bare', 60, 0), idle('we', 60.9, 0.0029)];
  t.same(kept([turn('we', 0.991), turn('they', 0.98)], idles), [true, true, true, true]);
  t.same(kept([turn('we', 0.989), turn('they', 0.995)], [idles[0]!, idle('we', 61.1, 0.0031)]), [false, false, false, false]);
  t.same(kept([turn('we', 0.991)], []), [true], 'only what was measured');
  t.same(kept([turn('they', 1)], []), [false, false], 'the agent was not');
  t.equal(
    throughputTable([turn('bare', 1), turn('we', 0.95)]),
    `| app | restarts | requests/s | of bare | CPU a request, µs | of bare |
| --- | --- | --- | --- | --- | --- |
| bare | 1 | 20,000 | 1.000 (1.000 to 1.000) | 50.0 | 1.000 (1.000 to 1.000) |
| we | 1 | 19,000 | 0.950 (0.950 to 0.950) | 52.6 | 1.053 (1.053 to 1.053) |`,
  );
  t.equal(
    idleTable(idles, 'bare').split('\n').at(-1),
    '| we | 1 | 0.290 % | 0.290 (0.290 to 0.290) | 60.9 | 0.90 (0.90 to 0.90) | 0.45 (0.45 to 0.45) |',
  );
});

const cost = (subject: string, workers: number, agents: string, cpuShare: number, megabytes: number): Cost =>
  ({ subject, workers, agents, cpuShare, rss: megabytes * 1e6, pss: megabytes * 1e6, anonymous: 0, heapUsed: null });

t.test('what the warden is judged by', async (t) => {
  const costs = [
    cost('heapwarden', 1, 'none', 0.01, 80),
    cost('heapwarden', 20, 'none', 0.02, 82),
    cost('heapwarden', 200, 'none', 0.2, 100),
    cost('heapwarden', 20, 'real agents', 0.02, 90),
    cost('PM2 7', 20, 'its own', 0.01, 60),
  ];
  t.equal(costTable(costs).split('\n')[2], '| heapwarden | 1 | none | 1.00 % | 80.0 | 80.0 | - | - | - |');
  t.equal(costTable(costs).split('\n')[5], '| heapwarden | 20 | real agents | 2.00 % | 90.0 | 90.0 | - | 2.00 | 1.50 |');
  t.equal(growthTable(costs).split('\n').at(-1), '| none | 20, 200 | 1.00 | 0.09 | 100 |', 'without the single worker');
  t.same(judgeWarden(costs).map(({ kept }) => kept), [true, true, false, false]);
  const steep = [cost('heapwarden', 20, 'none', 0.01, 82), cost('heapwarden', 200, 'none', 0.2, 100)];
  t.same(judgeWarden(steep).map(({ kept }) => kept), [false, true]);
});
