/** Opening and closing the inspector of processes that were not prepared for it, and leaving alone those that must be. */
import { copyFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { AttachLock } from '../../src/observe/attach-lock.js';
import { openInspector, OpenInspector, type Refused } from '../../src/observe/inspector-open.js';
import { listeningOf } from '../../src/observe/listening.js';
import type { ProcessSource } from '../../src/observe/processes.js';
import { runApp, type RunningApp } from '../agent/support.js';
import { needParts } from '../parts/index.js';
import { ANY_PORT, NODES, openWhenFree, processes, runOld, whenFree } from './inspecting.js';
import { endOf, run, until } from './support.js';

const IDLE = `console.log('up'); setInterval(() => {}, 1000);`;
const FROZEN = `console.log('up'); setTimeout(() => { while (true); }, 10);`;
/** V8 answers nothing meanwhile. */
const NATIVE = (seconds: number) => `require('node:child_process').spawnSync('sleep', ['${seconds}'])`;

function mustOpen(opened: OpenInspector | Refused): OpenInspector {
  if (opened instanceof OpenInspector) return opened;
  throw new Error(`${opened.refusal}: ${opened.why}`);
}

function mustRefuse(opened: OpenInspector | Refused): Refused {
  if (!(opened instanceof OpenInspector)) return opened;
  void opened.close();
  throw new Error('it was opened');
}

const isAlive = ({ child }: RunningApp) => child.exitCode === null && child.signalCode === null;

/** Nobody has told it to open its inspector: it would have said so. */
function untouched(t: Test, app: RunningApp, what: string): void {
  t.ok(isAlive(app), `${what}: it lives`);
  t.notMatch(app.output(), /Debugger|GOT/, `${what}: and was not signalled`);
}

t.test('opened, proven, asked and closed', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  for (const node of NODES) {
    for (const [what, source] of Object.entries({ idle: IDLE, 'in an endless loop': FROZEN })) {
      const app = await runOld(t, parts[node], [ANY_PORT, '-e', source]);
      const opened = mustOpen(await openWhenFree(app.pid));
      t.same((await listeningOf(app.pid)).map(({ port }) => port), [opened.port], `${node}, ${what}: open`);
      t.equal(await opened.client.evaluate('process.pid', 5000), app.pid);
      await t.rejects(opened.client.evaluate('missing.thing', 5000), { message: 'ReferenceError: missing is not defined' });
      t.equal(await opened.close(), true);
      t.comment(`${node}, ${what}: ${(performance.now() - opened.beganAt).toFixed(0)} ms from signal to closed port`);
      t.strictSame(await listeningOf(app.pid), [], 'no port is left open');
      t.ok(isAlive(app));
      t.equal(await mustOpen(await openWhenFree(app.pid)).close(), true, 'and once more');
      app.child.kill('SIGKILL');
      await app.exited;
    }
  }
});

t.test('where the loop is stuck, the stack is had', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  for (const node of NODES) {
    const app = await runOld(t, parts[node], [ANY_PORT, '-e', `function guilty() { while (true); } console.log('up'); setTimeout(guilty)`]);
    const opened = mustOpen(await openWhenFree(app.pid));
    const { client } = opened;
    const paused = new Promise<string>((resolve) => client.on('Debugger.paused', (params) => resolve(JSON.stringify(params))));
    await client.call('Debugger.enable', {}, 5000);
    await client.call('Debugger.pause', {}, 5000);
    t.match(await paused, /"functionName":"guilty"/, node);
    t.equal(await opened.close(), true, 'paused or not, it closes');
    t.strictSame(await listeningOf(app.pid), []);
    const cpu = async () => (await processes.snapshot()).get(app.pid)!.usage!.cpuSeconds;
    const before = await cpu();
    await sleep(500);
    t.ok((await cpu()) > before, 'and it runs on');
    app.child.kill('SIGKILL');
    await app.exited;
  }
});

t.test('in a long native call', async (t) => {
  const parts = needParts(t, 'node-20', 'node-24');
  if (!parts) return;
  for (const node of ['node-20', 'node-24'] as const) {
    const app = await runOld(t, parts[node], [ANY_PORT, '-e', `console.log('up'); setTimeout(() => { ${NATIVE(5)}; ${IDLE} });`]);
    const { refusal, why, closedLater } = mustRefuse(await openWhenFree(app.pid, 500));
    t.equal(refusal, 'no_answer');
    t.match(why, /within 500 ms it has not opened; it may be in a long native call$/);
    t.strictSame(await listeningOf(app.pid), []);
    t.equal(await closedLater, true, `${node}: it opens when nobody waits any more, and is closed`);
    t.match(app.output(), /Debugger listening/);
    t.strictSame(await listeningOf(app.pid), []);

    const opened = mustOpen(await openWhenFree(app.pid));
    await opened.client.evaluate(`setTimeout(() => { ${NATIVE(2)}; }), 1`, 5000);
    await sleep(200);
    t.equal(await opened.close(300), false, `${node}: one that begins while it is open keeps it open`);
    await until('its end', async () => (await listeningOf(app.pid)).length === 0);
    t.ok(isAlive(app));
  }
});

t.test('one that opens late is closed, though descriptors run out meanwhile', async (t) => {
  const app = await runOld(t, process.execPath, [ANY_PORT, '-e', `console.log('up'); setTimeout(() => { ${NATIVE(3)}; ${IDLE} });`]);
  let starved = 0;
  const starving: ProcessSource = {
    snapshot: () => processes.snapshot(),
    tree: (root) => processes.tree(root),
    openFds: (pid) => processes.openFds(pid),
    identify: (pid) => (starved-- > 0 ? Promise.reject(new Error('EMFILE')) : processes.identify(pid)),
  };
  const refused = mustRefuse(await whenFree(() => openInspector(app.pid, { processes: starving, timeoutMs: 500 })));
  t.equal(refused.refusal, 'no_answer');
  starved = 2;
  t.equal(await refused.closedLater, true);
  t.match(app.output(), /Debugger listening/);
  t.strictSame(await listeningOf(app.pid), []);
});

t.test('a port that is taken', async (t) => {
  const parts = needParts(t, 'node-20', 'node-26');
  if (!parts) return;
  const server = createServer((socket) => socket.destroy());
  t.teardown(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  for (const node of ['node-20', 'node-26'] as const) {
    const app = await runOld(t, parts[node], [`--inspect-port=${port}`, '-e', IDLE]);
    const refused = mustRefuse(await openWhenFree(app.pid));
    t.equal(refused.refusal, 'port_taken');
    t.match(refused.why, new RegExp(`another program listens on port ${port}`));
    untouched(t, app, node);
  }
});

t.test('left alone: what is not Node, whatever its name', async (t) => {
  const named = join(t.testdir({}), 'node');
  copyFileSync('/bin/sleep', named);
  for (const program of ['/bin/sleep', named]) {
    const child = run(t, program, '1000');
    await sleep(1100);
    const refused = mustRefuse(await openWhenFree(child.pid));
    t.equal(refused.refusal, 'not_node', program);
    await sleep(100);
    t.equal(child.signalCode, null, 'SIGUSR1 would have killed it');
  }
});

t.test('left alone: its own handler, --disable-sigusr1, a removed handler', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  const own = `process.on('SIGUSR1', () => console.log('GOT')); process.on('SIGHUP', () => {}); process.on('SIGUSR2', () => {}); ${IDLE}`;
  const removed = `const f = () => {}; process.on('SIGUSR1', f); process.off('SIGUSR1', f); ${IDLE}`;
  const others = `process.on('SIGHUP', () => {}); process.on('SIGUSR2', () => {}); process.on('SIGTERM', () => {}); ${IDLE}`;
  for (const node of NODES) {
    const refusalOf = async (args: string[]) => {
      const app = await runOld(t, parts[node], [ANY_PORT, ...args]);
      const { refusal } = mustRefuse(await openWhenFree(app.pid));
      await sleep(200);
      untouched(t, app, `${node}: ${args[0]}`);
      return refusal;
    };
    t.equal(await refusalOf(['-e', own]), 'own_handler', node);
    t.equal(await refusalOf(['-e', removed]), 'disabled', `${node}: the default action would end it`);
    if (node !== 'node-20') t.equal(await refusalOf(['--disable-sigusr1', '-e', IDLE]), 'disabled', node);
    const app = await runOld(t, parts[node], [ANY_PORT, '-e', others]);
    t.equal(await mustOpen(await openWhenFree(app.pid)).close(), true, `${node}: handlers of other signals are nothing to it`);
  }
});

t.test('left alone: too young, gone, another one under way', async (t) => {
  const young = runApp(t, process.execPath, ['-e', IDLE], {});
  await until('its executable', () => young.output() !== '');
  const refused = mustRefuse(await openWhenFree(young.pid));
  t.equal(refused.refusal, 'too_young');
  untouched(t, young, 'too young');
  const dead = run(t, 'sleep', '0');
  await endOf(dead);
  t.equal(mustRefuse(await openWhenFree(dead.pid)).refusal, 'gone');
  const lock = await until('the lock', () => AttachLock.take());
  t.equal(mustRefuse(await openInspector(young.pid, { processes, timeoutMs: 100 })).refusal, 'busy');
  await lock.release();
});

t.test('gone in the middle', async (t) => {
  const app = await runOld(t, process.execPath, [ANY_PORT, '-e', `console.log('up'); setTimeout(() => { ${NATIVE(60)}; });`]);
  setTimeout(() => app.child.kill('SIGKILL'), 500);
  t.equal(mustRefuse(await openWhenFree(app.pid)).refusal, 'gone');
  const other = await runOld(t, process.execPath, [ANY_PORT, '-e', IDLE]);
  const opened = mustOpen(await openWhenFree(other.pid));
  other.child.kill('SIGKILL');
  await other.exited;
  await t.rejects(opened.client.evaluate('1', 5000), { message: /the inspector has gone/ });
  t.equal(await opened.close(), true);
});

t.test('one that is open already', async (t) => {
  const script = `const { createServer } = require('node:net'); console.log('up'); setInterval(() => {}, 1000);`;
  const wanted = await runOld(t, process.execPath, ['--inspect=127.0.0.1:0', '-e', script]);
  const [before] = await listeningOf(wanted.pid);
  t.ok(before, 'by the wish of who started it');
  t.equal(mustRefuse(await openWhenFree(wanted.pid, 500)).refusal, 'no_answer', 'where it is cannot be known');
  const port = await freePort();
  const named = await runOld(t, process.execPath, [`--inspect=127.0.0.1:${port}`, '-e', script]);
  const opened = mustOpen(await openWhenFree(named.pid));
  t.equal(opened.port, port);
  t.equal(mustRefuse(await afterRelease(opened, named.pid)).refusal, 'debugged', 'somebody else is connected');
  t.same((await listeningOf(named.pid)).map((one) => one.port), [port], 'it stays open');
});

/** A second client, while the first is connected: the lock is let go for it. */
async function afterRelease(opened: OpenInspector, pid: number): Promise<OpenInspector | Refused> {
  const { InspectorClient } = await import('../../src/observe/inspector-client.js');
  const client = await InspectorClient.connect({ host: '127.0.0.1', port: opened.port }, 5000);
  await opened.close();
  const second = await openWhenFree(pid);
  client.close();
  return second;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
