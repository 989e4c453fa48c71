/** The agent in processes that were started without it. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { attach, type Attached, type AttachRefused } from '../../src/observe/attach.js';
import { listeningOf } from '../../src/observe/listening.js';
import { builtAgent, openHub, shortFolder, untilStats, writeApp } from '../agent/support.js';
import { needParts } from '../parts/index.js';
import { ANY_PORT, NODES, processes, runOld, whenFree } from './inspecting.js';

const SERVER = `
const told = Object.keys(process.env).filter((name) => name.startsWith('HEAPWARDEN'));
http.createServer((request, response) => response.end('served')).listen(0, '127.0.0.1', () => console.log('up'));
process.stdin.on('data', () => console.log(JSON.stringify([...told, typeof globalThis.require])));`;
const APPS = {
  'plain.cjs': `const http = require('node:http');${SERVER}`,
  'module.mjs': `import http from 'node:http';${SERVER}`,
};

function attachTo(pid: number, agentSocket: string): Promise<Attached | AttachRefused> {
  return whenFree(() => attach(pid, { processes, app: 'shop', agentSocket, timeoutMs: 10_000 }));
}

function mustAttach(t: Test, result: Attached | AttachRefused): Attached {
  if ('isNew' in result) return result;
  throw new Error(`${t.name}: ${result.refusal}: ${result.why}`);
}

for (const node of NODES) {
  t.test(node, async (t) => {
    const parts = needParts(t, node);
    if (!parts) return;
    const folder = shortFolder(t);
    const socket = join(folder, 'agent.sock');
    const { hub } = await openHub(t, socket);
    for (const [name, source] of Object.entries(APPS)) {
      const app = await runOld(t, parts[node], [ANY_PORT, writeApp(folder, name, source)]);
      const ports = (await listeningOf(app.pid)).length;
      const first = mustAttach(t, await attachTo(app.pid, socket));
      t.match(first, { isNew: true, isClosed: true }, name);
      t.equal((await listeningOf(app.pid)).length, ports, 'no port more is open');
      t.comment(`${node} ${name}: ${first.openMs.toFixed(0)} ms from signal to closed port`);
      const { app: called, stats, node: version } = await untilStats(hub, app.pid);
      t.equal(called, 'shop');
      t.equal(`node-${version.split('.')[0]}`, node);
      t.ok(stats!.heap_used > 0 && stats!.gc);
      const { connectedAt } = hub.report(app.pid)!;
      t.match(mustAttach(t, await attachTo(app.pid, socket)), { isNew: false, isClosed: true }, 'a second time');
      await sleep(300);
      t.equal(hub.report(app.pid)!.connectedAt, connectedAt, 'is no second agent');
      const lines = app.output();
      app.child.stdin!.write('x\n');
      while (app.output() === lines) await sleep(20);
      t.match(app.output(), /^\["undefined"\]$/m, 'nothing of it is in the environment, nor in its globals');
      app.child.stdin!.end();
    }

    const stuck = await runOld(t, parts[node], [ANY_PORT, '-e', `console.log('up'); setTimeout(() => { while (true); });`]);
    t.match(mustAttach(t, await attachTo(stuck.pid, socket)), { isNew: true, isClosed: true }, 'in an endless loop it is loaded');
    await sleep(300);
    t.equal(hub.report(stuck.pid), null, 'and reports when the loop turns');
    stuck.child.kill('SIGKILL');

    const prepared = await runOld(
      t, parts[node],
      [ANY_PORT, '--require', builtAgent(folder), '-e', `console.log('up'); setInterval(() => {}, 1000)`],
      { HEAPWARDEN_SOCKET: socket },
    );
    t.match(mustAttach(t, await attachTo(prepared.pid, socket)), { isNew: false }, 'a prepared one keeps its own');
  });
}

t.test('one that cannot load it', async (t) => {
  const app = await runOld(t, process.execPath, [
    ANY_PORT, '-e', `require('node:module').createRequire = () => { throw new Error('not here'); }; console.log('up'); setInterval(() => {}, 1000)`,
  ]);
  t.match(await attachTo(app.pid, '/nowhere'), { refusal: 'agent_failed', why: 'it could not load the agent: Error: not here' });
  t.strictSame(await listeningOf(app.pid), [], 'no port is left open');
  t.equal(app.child.exitCode, null);
});
