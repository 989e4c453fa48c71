/** The agent in apps of every kind: it reports, and the app cannot tell. */
import { join } from 'node:path';
import t from 'tap';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import {
  builtAgent,
  numbersIn,
  openHub,
  runApp,
  shortFolder,
  untilStats,
  writeApp,
  type RunningApp,
} from './support.js';

const NODES = NODE_MAJORS.map((major) => `node-${major}` as const);

const STAYS = `process.stdin.on('end', () => {}).resume();`;

t.test('reports from every Node, preloaded either way, in either kind of module', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const socket = join(folder, 'agent.sock');
  const { hub, log } = await openHub(t, socket);
  const apps = [
    writeApp(folder, 'common.cjs', `require('node:fs');\n${STAYS}`),
    writeApp(folder, 'module.mjs', `import 'node:fs';\nawait null;\n${STAYS}`),
  ];
  const runs = NODES.flatMap((node) =>
    apps.flatMap((app) =>
      ['--require', '--import'].map((flag) => ({
        name: `${node} ${flag} ${app.slice(folder.length + 1)}`,
        version: node.slice('node-'.length),
        app: runApp(t, parts[node], [flag, agent, app], { HEAPWARDEN_SOCKET: socket }),
      })),
    ),
  );
  for (const { name, version, app } of runs) {
    const report = await untilStats(hub, app.pid);
    t.match(report, { pid: app.pid, app: /^(common|module)$/, node: new RegExp(`^${version}\\.`) }, name);
    t.ok(numbersIn(report.stats).every((value) => Number.isFinite(value) && value >= 0), `${name}: numbers`);
    t.ok(report.stats!.heap_used > 1e6 && report.stats!.heap_used <= report.stats!.heap_total, `${name}: heap`);
    t.ok(report.stats!.heap_limit > report.stats!.heap_total, `${name}: limit`);
    t.match(report.stats!.heap_spaces, { old: Number, new: Number, large_object: Number }, `${name}: spaces`);
  }
  for (const { name, app } of runs) {
    app.child.stdin!.end();
    t.equal(await app.exited, 0, `${name}: exits when it has nothing left to do`);
    t.equal(app.output(), '', `${name}: the agent prints nothing`);
  }
  t.same(log.at('warn'), [], 'the hub has nothing to complain about');
});

t.test('loads once in a process, and not in its worker threads', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const socket = join(folder, 'agent.sock');
  const { hub, log } = await openHub(t, socket);
  const source = `
    const { Worker } = require('node:worker_threads');
    const loaded = "Symbol.for('heapwarden.agent') in globalThis";
    require(${JSON.stringify(builtAgent(join(folder, 'second-copy')))});
    process.stdin.once('data', () => {
      const code = "require('node:worker_threads').parentPort.postMessage(" + loaded + ")";
      const worker = new Worker(code, { eval: true });
      worker.on('message', (inWorker) => console.log(JSON.stringify({ inMain: eval(loaded), inWorker })));
    });`;
  const script = writeApp(folder, 'twice.cjs', source);
  const preloads = ['--require', agent, '--import', agent];
  const env = { HEAPWARDEN_SOCKET: socket };
  // A name each: the log tells those of one name in one line.
  const apps = NODES.map((node) => runApp(t, parts[node], [...preloads, script], { ...env, HEAPWARDEN_APP: node }));
  for (const [i, app] of apps.entries()) {
    t.same(JSON.parse(await app.ask('start a worker')), { inMain: true, inWorker: false }, `${NODES[i]}`);
    await untilStats(hub, app.pid);
    t.equal(log.at('info').filter(({ pid }) => pid === app.pid).length, 1, `${NODES[i]}: one connection`);
  }
  t.same(log.at('warn'), [], 'nor was a second one refused');
});

t.test('leaves no trace that an app could trip over', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const socket = join(folder, 'agent.sock');
  const { hub } = await openHub(t, socket);
  const source = `
    process.stdin.once('data', () => console.log(JSON.stringify({
      argv: process.argv, execArgv: process.execArgv, globals: Object.keys(globalThis), env: process.env,
      listeners: process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
      handles: process._getActiveHandles().length, requests: process._getActiveRequests().length,
      resources: process.getActiveResourcesInfo().sort(),
    })));`;
  const script = writeApp(folder, 'app.cjs', source);
  const nothing = writeApp(folder, 'nothing.cjs', '');
  const run = (node: string, preload: string): RunningApp =>
    runApp(t, node, ['--require', preload, script], { HEAPWARDEN_SOCKET: socket });
  const pairs = NODES.map((node) => ({ node, watched: run(parts[node], agent), plain: run(parts[node], nothing) }));
  for (const { node, watched, plain } of pairs) {
    await untilStats(hub, watched.pid);
    const seen = (await watched.ask('tell')).replaceAll(agent, nothing);
    t.same(JSON.parse(seen), JSON.parse(await plain.ask('tell')), node);
  }
});
