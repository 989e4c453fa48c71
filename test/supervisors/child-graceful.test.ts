/** One process takes the place of another beside it: what each of the two sees, and what is left where it fails. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { systemClock } from '../../src/clock.js';
import { Leftovers } from '../../src/supervisors/leftovers.js';
import { get, Load } from '../agent/load.js';
import { builtAgent } from '../agent/support.js';
import { endOf, isAlive, MemoryLog, mustIdentify, plainNode, processes, said, until } from '../observe/support.js';
import { CHILD_WARDEN, freePort, hurriedClock, reportFolder, reportOf, reportsIn, runningIn } from './child-support.js';
import { runsAlone, share, SHARED_APP } from './shared-support.js';

t.test('a new process that does not come up leaves the old one in place, and users see nothing of it', async (t) => {
  const cases = [
    ['exit', /^shop\/0: the new process exited with code 4; the old one was left in place and still runs$/],
    ['deaf', /did not listen on 127\.0\.0\.1:\d+, the shared port; the old one was left/],
    ['sick', /did not become ready in time; the old one was left in place and still runs$/],
  ] as const;
  for (const [mode, message] of cases) {
    const app = await share(t, { how: 'closes' });
    await app.supervisor.start();
    const pid = await app.serves();
    const load = new Load(t, app.url);
    app.setMode(mode);
    const begun = performance.now();
    const patient = app.graceful();
    const isReady = async (...args: Parameters<typeof patient.isReady>) =>
      Promise.race([patient.isReady(...args), sleep(2500, false)]);
    await t.rejects(app.supervisor.restart('0', app.graceful({ isReady })), { code: 'NOT_READY', message }, mode);
    t.ok(performance.now() - begun < 8000);
    await load.stop();
    t.strictSame(load.failures, [], `of ${load.answered} requests`);
    t.strictSame([...load.bodies.keys()], [String(pid)], 'none of them came to the new one');
    await runsAlone(t, app, pid);
    app.setMode('well');
    t.match(await app.supervisor.restart('0', app.graceful()), { ready: true }, 'and the next one may well come up');
    await app.supervisor.close();
  }
});

t.test('without a check, it is ready when it listens', async (t) => {
  const app = await share(t);
  await app.supervisor.start();
  await app.serves();
  t.match(await app.supervisor.restart('0', app.graceful({ isReady: async () => true })), { goneAt: null, ready: true });
  t.match(await get(app.url), { status: 200 });
});

t.test('until it is ready, the old one has the slot, and the disk knows both', async (t) => {
  const app = await share(t);
  await app.supervisor.start();
  const old = await app.serves();
  const asked: number[] = [];
  const isReady = async ({ process }: { process: { pid: number } }) => {
    asked.push(process.pid);
    t.match(await app.supervisor.slots(), [{ pid: old, state: 'running' }]);
    const { apps } = JSON.parse(readFileSync(join(app.folder, 'children'), 'utf8')) as { apps: Record<string, { pid: number }[]> };
    t.strictSame(Object.values(apps).flat().map(({ pid }) => pid), [old, process.pid]);
    return true;
  };
  const { pid } = await app.supervisor.restart('0', app.graceful({ isReady }));
  t.strictSame(asked, [pid]);
});

t.test('what does not end keeps the old one for no longer than its time', async (t) => {
  const app = await share(t);
  await app.supervisor.start();
  const old = await mustIdentify(await app.serves());
  const endless = connect(Number(new URL(app.url).port), '127.0.0.1');
  endless.on('error', () => {});
  endless.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => endless.once('data', resolve));
  const begun = performance.now();
  t.match(await app.supervisor.restart('0', app.graceful({ stopTimeoutMs: 1500 })), { stop: 'exited', ready: true });
  const tookMs = performance.now() - begun;
  t.ok(tookMs > 1500 && tookMs < 8000, `${tookMs} ms`);
  t.notOk(await isAlive(old));
  t.match(app.log.entries.at(-1)!.message, /is stopped with connections open/);
  endless.destroy();
});

t.test('a frozen one does not delay its successor', async (t) => {
  const app = await share(t);
  await app.supervisor.start();
  const old = await app.serves();
  process.kill(old, 'SIGSTOP');
  const waiting = get(app.url);
  const begun = performance.now();
  const restart = app.supervisor.restart('0', app.graceful({ stopTimeoutMs: 1000 }));
  t.match(await waiting, { status: 200 }, 'who waits is served by the new one');
  t.match(await restart, { stop: 'killed', ready: true });
  t.ok(performance.now() - begun < 8000);
});

t.test('what is closed leaves no second process, wherever the restart is', async (t) => {
  for (const waitMs of [0, 50, 300, 800]) {
    const app = await share(t);
    await app.supervisor.start();
    await app.serves();
    app.setMode('deaf');
    const restart = app.supervisor.restart('0', app.graceful({ isReady: () => sleep(20_000, false, { ref: false }) }));
    const refused = t.rejects(restart, { code: 'SUPERVISOR_CLOSED' }, `after ${waitMs} ms`);
    await sleep(waitMs);
    await app.supervisor.close();
    await refused;
    t.strictSame(await runningIn(app.folder), []);
    t.strictSame(await app.supervisor.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
  }
});

t.test('a warden that is killed in between leaves two, and the next one stops both', async (t) => {
  const folder = await reportFolder(t);
  const agent = builtAgent(folder);
  const port = String(await freePort());
  const command = ['/usr/bin/env', '-u', 'NODE_OPTIONS', process.execPath, '--require', agent, SHARED_APP];
  const settings = { folder, command, env: { REPORT_DIR: folder, PORT: port }, instances: 1, agent, listen: `127.0.0.1:${port}` };
  const [program, ...args] = plainNode('--import', 'tsx', CHILD_WARDEN, JSON.stringify(settings));
  const warden = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => warden.kill('SIGKILL'));
  const [{ pid: old }] = JSON.parse(await said(warden)) as [{ pid: number }];
  await reportOf(folder, old);
  warden.stdin.write('restart\n');
  const both = await until('the new one to listen', () => {
    const pids = reportsIn(folder).flatMap(({ pid = null }: { pid?: number | null }) => pid ?? []); // not children.json
    return pids.length === 2 && pids;
  });
  for (let i = 0; i < 10; i++) t.equal((await get(`http://127.0.0.1:${port}/`)).body, String(old), 'the new one is held back');
  warden.kill('SIGKILL');
  await endOf(warden);
  t.equal((await runningIn(folder)).length, 2, 'orphans, both');
  process.kill(old, 'SIGSTOP');
  const fresh = String(both.find((pid) => pid !== old));
  t.match(await get(`http://127.0.0.1:${port}/`), { body: fresh }, 'the new one serves, for nobody holds it back now');
  process.kill(old, 'SIGCONT');

  const log = new MemoryLog();
  const leftovers = await Leftovers.open(join(folder, 'children.json'), { processes, clock: systemClock, log });
  const next = await share(t, { leftovers, env: { PORT: port }, listen: `127.0.0.1:${port}` });
  await next.supervisor.start();
  t.strictSame(await runningIn(folder), []);
  const stopped = both.map((pid) => `shop: stopped process ${pid}, left behind by an earlier heapwarden`);
  t.strictSame(log.entries.map(({ message }) => message).toSorted(), stopped.toSorted());
  const pid = await next.serves();
  t.match(await get(`http://127.0.0.1:${port}/`), { body: String(pid) });
});

t.test('an abort stops the new one and leaves the old one', async (t) => {
  const app = await share(t);
  await app.supervisor.start();
  const pid = await app.serves();
  app.setMode('deaf');
  const closing = new AbortController();
  const isReady = () => sleep(20_000, false, { ref: false });
  const restart = app.supervisor.restart('0', app.graceful({ signal: closing.signal, isReady }));
  await until('the new one', async () => (await runningIn(app.folder)).length === 2);
  closing.abort();
  await t.rejects(restart, { name: 'AbortError' });
  await runsAlone(t, app, pid);
});

t.test('an old one that crashes meanwhile is replaced by the new one, once', async (t) => {
  const app = await share(t);
  await app.supervisor.start();
  const old = await app.serves();
  const load = { answer: null as Promise<unknown> | null };
  const patient = app.graceful();
  const isReady: typeof patient.isReady = async (target) => {
    process.kill(old, 'SIGKILL');
    await sleep(500);
    load.answer = get(app.url);
    return patient.isReady(target);
  };
  const { pid, ready } = await app.supervisor.restart('0', app.graceful({ isReady }));
  t.equal(ready, true);
  t.match(await load.answer, { status: 200 }, 'who came in between has waited');
  await sleep(500);
  await runsAlone(t, app, pid!);
});

t.test('the port is opened once, kept while it is down, and given back', async (t) => {
  const app = await share(t);
  const port = Number(new URL(app.url).port);
  const blocker = createServer().listen(port, '127.0.0.1');
  await new Promise((resolve) => blocker.once('listening', resolve));
  const inUse = { code: 'ADDRESS_IN_USE', message: /^shop: cannot open 127\.0\.0\.1:\d+ \(child\.listen\): another program/ };
  await t.rejects(app.supervisor.start(), inUse);
  await t.rejects(app.supervisor.restart('0', app.graceful()), inUse);
  t.strictSame(await runningIn(app.folder), [], 'and nothing is started');
  await new Promise((resolve) => blocker.close(resolve));
  t.match(await app.supervisor.restart('0', app.graceful()), { stop: 'gone' }, 'once it is free, a restart starts it');
  process.kill(await app.serves(), 'SIGKILL');
  t.match(await get(app.url), { status: 200 }, 'whoever comes after a crash waits for the next one');
  await app.supervisor.close();
  await t.rejects(get(app.url), { code: 'ECONNREFUSED' });
  const next = createServer().listen(port, '127.0.0.1');
  await new Promise((resolve) => next.once('listening', resolve));
  await new Promise((resolve) => next.close(resolve));
});

t.test('an address that this machine does not have', async (t) => {
  const cases = [
    ['192.0.2.1:3000', 'EADDRNOTAVAIL'],
    ['no-such-host.invalid:3000', 'ENOTFOUND|EAI_AGAIN'],
  ] as const;
  for (const [listen, why] of cases) {
    const app = await share(t, { listen });
    await t.rejects(app.supervisor.start(), { code: 'ADDRESS_IN_USE', message: new RegExp(`cannot open ${listen} .*(${why})`) });
  }
});

t.test('an app that does not take the port is told, and its restarts stop it first', async (t) => {
  const clock = hurriedClock((ms) => ms === 50, () => {});
  // As npm does: a Node between heapwarden and the app.
  const wrapper = `require('node:child_process').spawn(process.execPath, [process.argv[1]], { stdio: 'inherit' })`;
  const app = await share(t, { clock, command: ['/usr/bin/env', '-u', 'NODE_OPTIONS', process.execPath, '-e', wrapper, SHARED_APP] });
  await app.supervisor.start();
  const told = await until('the log to say so', () => app.log.entries.find(({ level }) => level === 'warn') ?? null);
  t.match(told.message, /^shop\/0 does not listen on 127\.0\.0\.1:\d+, .* 30 s after its start: .*npm start/);
  t.match(await app.supervisor.restart('0', app.graceful()), { stop: 'exited', goneAt: Number, ready: null });
});
