/** What the agent measures, against what the app itself knows, on every Node. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { GcKind, LoopWindow } from '../../src/agent/protocol.cjs';
import type { AgentHub, AgentReport } from '../../src/observe/hub.js';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import {
  builtAgent,
  numbersIn,
  openHub,
  runApp,
  shortFolder,
  until,
  untilStats,
  writeApp,
  type RunningApp,
} from './support.js';

const NODES = NODE_MAJORS.map((major) => `node-${major}` as const);

// Does as its stdin says, and says when it is done.
const OBEDIENT = `
  const { existsSync, writeSync } = require('node:fs');
  const { PerformanceObserver, constants } = require('node:perf_hooks');
  const kinds = {
    [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
    [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
    [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
  };
  const totals = { major: 0, minor: 0, incremental: 0, weakcb: 0 };
  const count = (entries) => { for (const { detail } of entries) totals[kinds[detail.kind] ?? 'minor'] += 1; };
  const observer = new PerformanceObserver((list) => count(list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  const churn = () => {
    let kept = [];
    for (let i = 0; i < 4e6; i++) { kept.push({ i }); if (i % 1e5 === 0) kept = []; }
  };
  // Dies at once: in the heap's used size, but not alive.
  const waste = () => { for (let i = 0; i < 1e5; i++) globalThis.wasted = { i }; };
  const leaked = [];
  const commands = {
    totals: () => { count(observer.takeRecords()); return totals; },
    churn: () => { for (let i = 0; i < 3; i++) { churn(); gc(); } },
    settle: () => { gc(); waste(); },
    // 50 MB: arrays of 1,000 doubles, of 8 bytes each.
    leak: () => { for (let i = 0; i < 6250; i++) leaked.push(new Array(1000).fill(i + 0.5)); gc(); waste(); },
    freeze: () => { writeSync(1, '"frozen"\\n'); while (!existsSync(process.env.THAW)); },
  };
  require('node:readline').createInterface({ input: process.stdin }).on('line', (command) => {
    const result = commands[command]();
    console.log(JSON.stringify(result ?? command));
  });`;

/** Of Node's own samples of the delay. */
const RESOLUTION_SECONDS = 0.03;

const QUIET = `setInterval(() => {}, 60_000); require('node:net').createServer().listen(0, '127.0.0.1');`;

const BLOCKING = `setInterval(() => { const end = Date.now() + 200; while (Date.now() < end); }, 1500);`;

t.test('figures', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const socket = join(folder, 'agent.sock');
  const { hub } = await openHub(t, socket);
  const quiet = writeApp(folder, 'quiet.cjs', QUIET);
  const blocking = writeApp(folder, 'blocking.cjs', BLOCKING);
  const obedient = writeApp(folder, 'obedient.cjs', OBEDIENT);
  const start = (node: string, ...args: string[]) =>
    runApp(t, node, ['--require', agent, ...args], { HEAPWARDEN_SOCKET: socket });
  const loops = NODES.map((node) => ({
    node,
    idle: start(parts[node], quiet),
    busy: start(parts[node], blocking),
  }));
  // One after another, beside the windows of the others: they need the processor for themselves.
  for (const node of NODES) {
    const app = start(parts[node], '--expose-gc', obedient);
    await untilStats(hub, app.pid);
    await checkGcCounts(t, node, hub, app);
    await checkLiveHeap(t, node, hub, app);
    app.child.stdin!.end();
    await app.exited;
  }
  const minorMarkSweep = start(parts['node-26'], '--expose-gc', '--minor-ms', obedient);
  await untilStats(hub, minorMarkSweep.pid);
  await checkGcCounts(t, 'node-26 --minor-ms', hub, minorMarkSweep);
  for (const { node, idle, busy } of loops) {
    checkQuiet(t, node, await untilLoop(hub, idle, isQuiet), idle);
    checkBlocking(t, node, (await untilLoop(hub, busy)).stats!.loop!);
  }
});

async function sampled(hub: AgentHub, app: RunningApp): Promise<AgentReport> {
  const report = await hub.sample(app.pid, 10_000);
  if (!report) throw new Error(`process ${app.pid} does not answer`);
  return report;
}

type GcCounts = Record<GcKind, number>;

const gcCounts = ({ stats }: AgentReport) =>
  Object.fromEntries(Object.entries(stats!.gc).map(([kind, { count }]) => [kind, count])) as GcCounts;

/** Both counts while no GC happens in between. */
async function bothCounts(hub: AgentHub, app: RunningApp): Promise<{ ours: GcCounts; theirs: GcCounts }> {
  for (;;) {
    const before = gcCounts(await sampled(hub, app));
    const theirs = JSON.parse(await app.ask('totals')) as GcCounts;
    const ours = gcCounts(await sampled(hub, app));
    if (JSON.stringify(before) === JSON.stringify(ours)) return { ours, theirs };
  }
}

async function checkGcCounts(t: Test, node: string, hub: AgentHub, app: RunningApp): Promise<void> {
  const before = await bothCounts(hub, app);
  await app.ask('churn');
  const after = await bothCounts(hub, app);
  for (const kind of ['major', 'minor', 'incremental', 'weakcb'] as const) {
    const counted = after.ours[kind] - before.ours[kind];
    t.equal(counted, after.theirs[kind] - before.theirs[kind], `${node}: ${counted} ${kind} GCs, each counted`);
  }
  t.ok(after.ours.major - before.ours.major >= 3, `${node}: three were asked for`);
  t.ok(after.ours.minor - before.ours.minor >= 5, `${node}: and garbage made more`);
  const { gc } = (await sampled(hub, app)).stats!;
  for (const { count, sum_seconds, buckets } of Object.values(gc)) {
    const cumulative = buckets.every((value, i) => value >= (buckets[i - 1] ?? 0) && value <= count);
    t.ok(cumulative, `${node}: buckets are cumulative`);
    t.equal(sum_seconds > 0, count > 0, `${node}: a GC takes time`);
  }
}

async function checkLiveHeap(t: Test, node: string, hub: AgentHub, app: RunningApp): Promise<void> {
  await app.ask('settle');
  const before = (await sampled(hub, app)).stats!.heap_live!;
  await app.ask('leak');
  const after = (await sampled(hub, app)).stats!.heap_live!;
  const grown = (after - before) / 1e6;
  t.ok(grown > 49 && grown < 52, `${node}: of 50 MB leaked, ${grown.toFixed(1)} MB show in the live heap`);
}

/** The first window that is `right`; where there is none in a minute, the last one shows what is wrong. */
function untilLoop(hub: AgentHub, app: RunningApp, right = (_loop: LoopWindow) => true): Promise<AgentReport> {
  const end = performance.now() + 60_000;
  return until(`a window of process ${app.pid}`, () => {
    const report = hub.report(app.pid);
    return report?.stats?.loop && (right(report.stats.loop) || performance.now() > end) ? report : null;
  }, 80_000);
}

/** A machine that is busy for a while delays every loop. */
const isQuiet = ({ window_seconds: length, p50_seconds: p50, mean_seconds: mean, utilization_ratio: used }: LoopWindow) =>
  length < 19 && Math.max(p50, mean) < RESOLUTION_SECONDS && used < 0.3;

function checkQuiet(t: Test, node: string, { stats }: AgentReport, app: RunningApp): void {
  const loop = stats!.loop!;
  t.ok(numbersIn(loop).every((value) => Number.isFinite(value) && value >= 0), `${node}: numbers`);
  t.ok(loop.window_seconds >= 9.9 && loop.window_seconds < 19, `${node}: a window of ${loop.window_seconds} s`);
  t.ok(loop.p50_seconds < RESOLUTION_SECONDS, `${node}: median delay ${loop.p50_seconds} s, the resolution not in it`);
  t.ok(loop.mean_seconds < RESOLUTION_SECONDS, `${node}: mean delay ${loop.mean_seconds} s`);
  t.ok(loop.utilization_ratio < 0.3, `${node}: utilization ${loop.utilization_ratio}`);
  const { Timeout, TCPServerWrap, ...others } = stats!.active_resources;
  t.same({ Timeout, TCPServerWrap }, { Timeout: 1, TCPServerWrap: 1 }, `${node}: the app's timer and server`);
  t.same(others, {}, `${node}: and nothing of the agent's`);
  t.equal(app.output(), '');
}

function checkBlocking(t: Test, node: string, loop: LoopWindow): void {
  t.ok(loop.max_seconds >= 0.15 && loop.max_seconds < 10, `${node}: longest delay ${loop.max_seconds} s`);
  t.ok(loop.p50_seconds < 0.15, `${node}: median delay ${loop.p50_seconds} s`);
  t.ok(loop.utilization_ratio > 0.03, `${node}: utilization ${loop.utilization_ratio}`);
}

t.test('the heartbeat stops while the loop does not turn', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const socket = join(folder, 'agent.sock');
  const { hub } = await openHub(t, socket);
  const script = writeApp(folder, 'obedient.cjs', OBEDIENT);
  await Promise.all(NODES.map(async (node) => {
    const thaw = join(folder, `thaw-${node}`);
    const app = runApp(t, parts[node], ['--require', agent, script], { HEAPWARDEN_SOCKET: socket, THAW: thaw });
    await untilStats(hub, app.pid);
    t.equal(await app.ask('freeze'), '"frozen"');
    await sleep(500); // what it said before has come
    const last = hub.report(app.pid)!.heartbeatAt;
    t.equal(await hub.sample(app.pid, 2500), null, `${node}: no answer while frozen`);
    t.equal(hub.report(app.pid)!.heartbeatAt, last, `${node}: nor a heartbeat`);
    writeFileSync(thaw, '');
    await until('a heartbeat', () => hub.report(app.pid)!.heartbeatAt > last);
    t.ok(await hub.sample(app.pid, 10_000), `${node}: and it is there again`);
  }));
});
