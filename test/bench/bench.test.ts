/** What the bench computes, and that its probe and its load account for what is there. The bench itself is not run. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Cycle } from './cycle.js';
import { percentile, phases, summarize } from './figures.js';
import { Load, type LoadReport } from './load.js';
import { answeringPid, ask, sampleProcess } from './probe.js';
import { judge, type LoadedResult, type TimedResult } from './results.js';
import { Scope } from './scope.js';
import { failureList, loadedTable, promiseList, timedTable } from './table.js';
import { Tally } from './tally.js';

t.test('percentiles are measured values, by nearest rank', async (t) => {
  const values = Array.from({ length: 20 }, (_, i) => 20 - i);
  t.strictSame(summarize(values), { median: 10, p95: 19, max: 20 });
  t.strictSame(values[0], 20, 'the list is left as it was');
  t.strictSame(summarize([7]), { median: 7, p95: 7, max: 7 });
  t.equal(percentile([3, 1, 2], 0), 1);
  t.throws(() => percentile([], 0.5), RangeError);
});

t.test('phases cover the period evenly, in random order', async (t) => {
  let seed = 0;
  const random = () => (seed = (seed * 16_807 + 11) % 2_147_483_647) / 2_147_483_647;
  const delays = phases(6, 30_000, random);
  t.strictSame(delays.map((ms) => Math.floor(ms / 5000)).toSorted((a, b) => a - b), [0, 1, 2, 3, 4, 5]);
  t.not(delays.join(), delays.toSorted((a, b) => a - b).join(), 'not in order of time');
});

t.test('a tally adds up or throws', async (t) => {
  const tally = new Tally();
  for (let i = 0; i < 5; i++) tally.send();
  for (const how of ['ok', 'ECONNRESET', 'status 503', 'hanging']) tally.end(how);
  t.throws(() => tally.report(), { message: '5 requests were sent, but 4 have an end' });
  tally.end('ECONNRESET');
  t.strictSame(tally.report(), { sent: 5, ok: 1, hanging: 1, failed: 3, failures: { ECONNRESET: 2, 'status 503': 1 } });
});

const cycle = (seconds: number, overshootBytes: number): Cycle =>
  ({ goneMs: seconds * 900, answeringMs: seconds * 1000, downMs: seconds * 100, overshootBytes });
const timed = (name: string, role: TimedResult['role'], cycles: Cycle[], error: string | null = null): TimedResult =>
  ({ name, role, cycles, error });
const loaded = (name: string, role: LoadedResult['role'], lost: Partial<LoadReport> = {}): LoadedResult => {
  const load = { sent: 1000, ok: 1000, hanging: 0, failed: 0, failures: {}, longestGapMs: 12.3, ...lost };
  return { name, role, restarts: 5, load, error: null };
};

t.test('promises: ten times less by the medians, and nothing lost', async (t) => {
  const slow = timed('PM2', 'yardstick', [cycle(10, 1e8), cycle(20, 2e8), cycle(30, 3e8)]);
  const kept = (results: TimedResult[], others: LoadedResult[] = []) => judge(results, others).map((each) => each.kept);
  t.strictSame(kept([slow, timed('we', 'promise', [cycle(1, 1e7), cycle(2, 2e7), cycle(9, 9e7)])]), [true, true]);
  t.strictSame(kept([slow, timed('we', 'promise', [cycle(2.1, 2e7)])]), [false, true]);
  t.strictSame(kept([slow, timed('we', 'promise', [cycle(2, 2.1e7)])]), [true, false]);
  t.strictSame(kept([slow, timed('we', 'promise', [cycle(2, 0)])]), [true, true], 'no overshoot at all');
  t.strictSame(kept([slow, timed('we', 'shown', [cycle(9, 9e7)])]), [], 'not promised');
  t.strictSame(kept([slow, timed('we', 'promise', [cycle(1, 1)], 'it broke off')]), [false, false]);
  t.strictSame(kept([timed('PM2', 'yardstick', [], 'it broke off'), timed('we', 'promise', [cycle(1, 1)])]), [false, false]);
  t.strictSame(kept([], [loaded('we', 'promise')]), [true]);
  t.strictSame(kept([], [loaded('we', 'promise', { failed: 1 })]), [false]);
  t.strictSame(kept([], [loaded('we', 'promise', { hanging: 1 })]), [false]);
  t.strictSame(kept([], [{ ...loaded('we', 'promise'), load: null, error: 'it did not start' }]), [false]);
  t.strictSame(kept([], [{ ...loaded('we', 'promise'), error: 'the third restart failed' }]), [false]);
  t.strictSame(kept([], [loaded('PM2', 'shown', { failed: 9 })]), []);
});

t.test('the tables', async (t) => {
  const results = [timed('PM2 fork', 'yardstick', [cycle(17.4, 183e6)]), timed('we', 'promise', [], 'it broke off')];
  t.equal(
    timedTable(results),
    `median / p95 / max  n  limit to gone, s    to new answering, s  overshoot, MB    down, ms
PM2 fork            1  15.7 / 15.7 / 15.7  17.4 / 17.4 / 17.4   183 / 183 / 183  1740 / 1740 / 1740
we                  0  -                   -                    -                -`,
  );
  const rows = [loaded('PM2', 'shown', { failed: 8, hanging: 1, failures: { ECONNRESET: 8 } }), loaded('we', 'promise')];
  t.equal(
    loadedTable(rows),
    `under load  restarts  requests  failed   hanging  longest gap, ms
PM2         5         1000      8 (1.6)  1 (0.2)  12
we          5         1000      0 (0.0)  0 (0.0)  12`,
  );
  t.strictSame(failureList(rows), ['PM2: 8 ECONNRESET']);
  t.equal(promiseList(judge([], rows)), 'kept    we: no request fails or hangs: 0 failed, 0 hanging of 1000');
});

async function serve(t: Test, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

t.test('the load accounts for every request, and knows a gap', async (t) => {
  const seen = { count: 0 };
  const port = await serve(t, (request, response) => {
    const count = ++seen.count;
    if (count === 10) request.socket.destroy();
    else if (count === 20) response.writeHead(503).end('later');
    else if (count === 30) response.end('not a pid');
    else if (count === 40) response.writeHead(200, { 'content-length': '9' }).write('1', () => request.socket.destroy());
    else response.end('1234');
  });
  const load = Load.start(port);
  while (seen.count < 60) await sleep(10);
  const stalledAt = performance.now();
  while (performance.now() - stalledAt < 200); // nothing is sent or answered
  while (seen.count < 120) await sleep(10);
  const { sent, ok, failed, hanging, failures, longestGapMs } = await load.stop();
  t.equal(sent, seen.count, 'each was sent once');
  t.strictSame([sent - ok, failed, hanging], [4, 4, 0]);
  t.match(failures, { 'status 503': 1, 'cut short': 1 });
  t.equal(Object.entries(failures).filter(([how]) => how.startsWith('ECONNRESET')).reduce((sum, [, n]) => sum + n, 0), 2);
  t.ok(longestGapMs >= 200 && longestGapMs < 20_000, `${longestGapMs} ms`);
});

t.test('the probe', async (t) => {
  const port = await serve(t, (request, response) => response.writeHead(request.url === '/' ? 200 : 500).end('42'));
  t.equal(await answeringPid(port), 42);
  await t.rejects(ask(port, '/else'), { message: 'status 500' });
  t.equal(await answeringPid(1), null, 'nobody there');

  const vmRss = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))![1]) * 1024;
  const { rssBytes } = sampleProcess(process.pid)!;
  t.ok(Math.abs(rssBytes - vmRss) < 0.1 * vmRss, `${rssBytes} bytes, and VmRSS is ${vmRss}`);

  const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
  t.ok(sampleProcess(child.pid!), 'it is there');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  t.equal(sampleProcess(child.pid!), null, 'it has gone');
});

t.test('a scope ends the last first, all of it, and says what it could not end', async (t) => {
  const listeners = process.listenerCount('SIGINT');
  const scope = new Scope();
  t.equal(process.listenerCount('SIGINT'), listeners + 1);
  const ended: string[] = [];
  scope.teardown(() => void ended.push('first'));
  scope.teardown(() => {
    throw new Error('stuck');
  });
  scope.teardown(() => void ended.push('last'));
  const dir = scope.testdir();
  await t.rejects(scope.close(), { errors: [{ message: 'stuck' }] });
  t.strictSame(ended, ['last', 'first']);
  t.notOk(existsSync(dir));
  t.equal(process.listenerCount('SIGINT'), listeners);
});
