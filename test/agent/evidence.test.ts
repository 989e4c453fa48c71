/** What a process tells of itself before it is stopped, on every Node. */
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { parseProfile, rankSuspects } from '../../src/act/evidence/suspects.js';
import { sourceLocator } from '../../src/act/evidence/source-maps.js';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import { builtAgent, openHub, runApp, shortFolder, untilStats, writeApp } from './support.js';

/**
 * Starts a thread that is in one native call for three seconds; says how long its own loop has stood still at most.
 * `attach` has the agent come now.
 */
const THREADS = `
let last = performance.now(), most = 0;
setInterval(() => {
  const now = performance.now();
  most = Math.max(most, now - last);
  last = now;
}, 10);
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'wait') return;
  if (line === 'attach') require(process.env.ATTACHED).attach({ socket: process.env.HEAPWARDEN_SOCKET });
  if (line === 'load') require('node:worker_threads');
  if (line !== 'thread') return console.log(Math.round(most));
  const call = "require('node:child_process').execSync('sleep 3')";
  const { Worker } = require('node:worker_threads');
  const code = "require('node:worker_threads').parentPort.postMessage('busy');" + call;
  new Worker(code, { eval: true }).once('message', console.log).once('exit', () => console.log('ended'));
});
`;

/** So many that V8 does not inline the function into its caller, of which alone its profile would know then. */
const FIELDS = Array.from({ length: 80 }, (_, i) => `f${i}: id + ${i} / 3`).join(', ');

/**
 * Keeps what `remember` makes and nothing of what `serve` makes; answers each word when it has done it.
 */
const LEAKS = `
const kept = new Map();
function remember(id) { kept.set(id, { id, ${FIELDS} }); }
function serve() { return Array.from({ length: 100000 }, (_, i) => ({ i })).length; }
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'leak') for (let i = 0; i < 10000; i++) remember(kept.size);
  if (line === 'serve') for (let i = 0; i < 15; i++) serve();
  if (line === 'profile') {
    globalThis.theirs = new (require('node:inspector').Session)();
    theirs.connect();
    theirs.post('HeapProfiler.startSampling');
  }
  console.log(process.env.SECRET.length + ' ' + line);
});
`;

async function started(t: Parameters<typeof shortFolder>[0], node: string, source = LEAKS) {
  const folder = shortFolder(t);
  const path = join(folder, 'agent.sock');
  const { hub } = await openHub(t, path);
  const env = { HEAPWARDEN_SOCKET: path, SECRET: 'never to be told' };
  const app = runApp(t, node, ['--require', builtAgent(folder), writeApp(folder, 'leaks.cjs', source), '--token=abc'], env);
  await untilStats(hub, app.pid);
  const into = join(folder, 'evidence');
  mkdirSync(into, { mode: 0o700 });
  return { hub, app, into };
}

const PATIENCE_MS = 60_000;

for (const major of NODE_MAJORS) {
  t.test(`Node ${major}`, async (t) => {
    const parts = needParts(t, `node-${major}`);
    if (!parts) return;
    const { hub, app, into } = await started(t, parts[`node-${major}`]);
    const gather = (folder: string, ...files: Parameters<typeof hub.gather>[1]['files'][number][]) =>
      hub.gather(app.pid, { folder, files }, PATIENCE_MS);

    await app.ask('leak');
    t.match(await gather(into, 'allocations.heapprofile'), ['no allocations.heapprofile: it was not asked for before']);
    t.equal(await hub.profile(app.pid, true), true);
    t.equal(await hub.profile(app.pid, true), true, 'twice is once');
    await app.ask('serve');
    await app.ask('leak');
    const lacks = await gather(into, 'report.json', 'allocations.heapprofile', 'heap.heapsnapshot');
    const files = ['allocations.heapprofile', 'heap.heapsnapshot', ...(major >= 20 ? ['report.json'] : [])];
    t.strictSame(readdirSync(into).toSorted(), files);
    if (major >= 20) t.strictSame(lacks, []);
    else t.match(lacks, [/^no report\.json: it takes Node\.js 20\.13 or newer, and this is v18\./]);
    for (const file of files) t.equal(statSync(join(into, file)).mode & 0o777, 0o600, `${file} is private`);

    const head = parseProfile(readFileSync(join(into, 'allocations.heapprofile'), 'utf8'))!;
    const { suspects, total } = rankSuspects(head, await sourceLocator([]));
    t.match(suspects[0], { name: 'remember', line: 3 }, 'the guilty function');
    t.match(suspects[0]?.file, /leaks\.cjs$/);
    t.ok(suspects[0]!.share > 0.8, `${suspects[0]!.share} of ${total} bytes`);
    t.ok(total > 4e6 && total < 60e6, `${total} bytes of what was leaked since`);
    if (major >= 20) {
      const report = readFileSync(join(into, 'report.json'), 'utf8');
      t.match(JSON.parse(report), { header: { processId: app.pid, commandLine: /\[hidden\]/ }, javascriptHeap: {} });
      t.notMatch(report, /never to be told|=abc/);
    }
    const snapshot = readFileSync(join(into, 'heap.heapsnapshot'), 'utf8');
    t.ok(JSON.parse(snapshot).snapshot.node_count > 20_000, 'a whole snapshot');

    t.match(await gather(into, 'allocations.heapprofile'), ['no allocations.heapprofile: it was not asked for before'], 'it has stopped');
    t.equal(await hub.profile(app.pid, true), true);
    t.equal(await hub.profile(app.pid, false), true);
    t.match(await gather(join(into, 'none'), 'allocations.heapprofile'), [/^no allocations\.heapprofile: /], 'it was stopped');
    t.match(await gather(join(into, 'none'), 'heap.heapsnapshot'), [/^no heap\.heapsnapshot: ENOENT/]);
    t.equal(await app.ask('still here'), '16 still here');
  });
}

for (const major of NODE_MAJORS.filter((known) => known >= 20)) {
  t.test(`Node ${major}: no report while a worker thread would hold the app for it`, async (t) => {
    const parts = needParts(t, `node-${major}`);
    if (!parts) return;
    const { hub, app, into } = await started(t, parts[`node-${major}`], THREADS);
    const gather = () => hub.gather(app.pid, { folder: into, files: ['report.json'] }, PATIENCE_MS);
    t.equal(await app.ask('thread'), 'busy');
    const why = 'no report.json: 1 worker thread runs, and Node would hold the app until each has answered';
    t.strictSame(await gather(), [why]);
    const stoodStill = Number(await app.ask('how long'));
    t.ok(stoodStill < 1500, `its loop stood still for ${stoodStill} ms at most`);
    t.equal(await app.ask('wait'), 'ended');
    t.strictSame(await gather(), [], 'there is none any more');
  });
}

t.test('an agent that comes later knows only of threads that nobody could have started', async (t) => {
  const folder = shortFolder(t);
  const path = join(folder, 'agent.sock');
  const { hub } = await openHub(t, path);
  const env = { HEAPWARDEN_SOCKET: path, ATTACHED: join(dirname(builtAgent(folder)), 'attached.cjs') };
  const script = writeApp(folder, 'threads.cjs', THREADS);
  const lacksOf = async (...words: string[]) => {
    const app = runApp(t, process.execPath, [script], env);
    for (const word of words) await app.ask(word);
    await untilStats(hub, app.pid);
    return hub.gather(app.pid, { folder, files: ['report.json'] }, PATIENCE_MS);
  };
  t.match(await lacksOf('load', 'attach'), [/^no report\.json: worker threads may run from before the agent came, /]);
  t.match(await lacksOf('attach', 'thread'), [/^no report\.json: 1 worker thread runs, /]);
  t.strictSame(await lacksOf('attach', 'load'), []);
});

/** Hot before the profiler starts, so that V8 has inlined `keep` into `handle` by then. */
const INLINES = `
const kept = [];
function keep(id) { kept.push({ id, half: id / 2, third: id / 3, more: { id } }); }
function handle(id) { keep(id); return kept.length; }
function handleAll(n) { let sum = 0; for (let i = 0; i < n; i++) sum += handle(i); return sum; }
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'warm') for (let i = 0; i < 300; i++) handleAll(1000);
  kept.length = 0;
  if (line === 'leak') for (let i = 0; i < 200; i++) handleAll(1000);
  console.log(line);
});
`;

for (const major of NODE_MAJORS) {
  t.test(`Node ${major}: a function that was inlined is told from the one that it was in`, async (t) => {
    const parts = needParts(t, `node-${major}`);
    if (!parts) return;
    const { hub, app, into } = await started(t, parts[`node-${major}`], INLINES);
    await app.ask('warm');
    t.equal(await hub.profile(app.pid, true), true);
    await app.ask('leak');
    t.strictSame(await hub.gather(app.pid, { folder: into, files: ['allocations.heapprofile'] }, PATIENCE_MS), []);
    const head = parseProfile(readFileSync(join(into, 'allocations.heapprofile'), 'utf8'))!;
    const { suspects } = rankSuspects(head, await sourceLocator([]));
    t.match(suspects[0], { name: 'keep', line: 3 });
    t.ok(suspects[0]!.share > 0.9, `${suspects[0]!.share}`);
    t.equal(app.output().replace(/^(warm|leak)\n/gm, ''), '', 'and not a word in its output');
  });
}

t.test('what it cannot do it says, and the app goes on', async (t) => {
  const { hub, app, into } = await started(t, process.execPath);
  const gather = (folder: string) => hub.gather(app.pid, { folder, files: ['allocations.heapprofile'] }, PATIENCE_MS);

  await app.ask('profile');
  await hub.profile(app.pid, true);
  t.match(await gather(into), ['no allocations.heapprofile: the app itself is profiling its heap']);

  const full = join(into, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'report.json.unfinished'), 'of another');
  t.match(await hub.gather(app.pid, { folder: full, files: ['report.json'] }, PATIENCE_MS), [/^no report\.json: EEXIST/]);
  if (process.getuid?.() !== 0) {
    chmodSync(full, 0o500);
    t.match(await hub.gather(app.pid, { folder: full, files: ['report.json'] }, PATIENCE_MS), [/EACCES/]);
  }
  t.equal(await app.ask('still here'), '16 still here');

  app.child.kill('SIGSTOP');
  t.equal(await hub.gather(app.pid, { folder: into, files: ['report.json'] }, 300), null, 'a process that does not answer');
  app.child.kill('SIGCONT');
  t.equal(await hub.gather(1, { folder: into, files: ['report.json'] }, 300), null, 'one without an agent');
  t.equal(await hub.profile(1, true), false);
  t.notOk(existsSync(join(into, 'allocations.heapprofile')));
});
