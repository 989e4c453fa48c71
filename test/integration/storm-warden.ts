/** A warden over workers that are over their limit again and again, and what it can be seen to do in a storm. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { OLD_SPACE_MIB } from '../../src/commands/own-heap.js';
import { oldSpaceFlag } from '../../src/decide/heap-limit.js';
import type { IncidentStatus } from '../../src/publish/incident-shape.js';
import { alertOf, resolved, shuffled, type Alert, type Sent, send } from './storm-sender.js';
import { waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

export const MIB = 2 ** 20;
export const WORKERS = ['0', '1', '2', '3'];
const LIMIT_BYTES = 100e6;

// Cooldown, budget and grace stand aside, and each new process is soon over its limit again: what is left to prevent a
// second restart for one alert is its identity and its time.
const CONFIG = `
trigger: alertmanager
sample_interval: 500ms
apps:
  - name: leaky
    supervisor:
      child:
        command: ${JSON.stringify([process.execPath, appFile('leaks.mjs')])}
        env: { LEAK_MB: "90", LEAK_MB_PER_SECOND: "20" }
        instances: ${WORKERS.length}
    limits: { rss: { restart: 100MB, for: 0s } }
    restart: { startup_grace: 0s, cooldown: 0s, budget: 1000/1h, stop_timeout: 5s }
`;

/** As README says to start it where Node cannot start itself over with a limit: without one V8 collects when it likes. */
const LIMITED = [process.execPath, oldSpaceFlag(OLD_SPACE_MIB * MIB)];

/** Ready, and all workers over their limit. */
export async function leakyWarden(t: Test): Promise<WardenProcess> {
  const warden = await (await WardenProcess.start(t, { config: CONFIG, runner: LIMITED })).ready();
  await allOver(warden);
  return warden;
}

export async function allOver(warden: WardenProcess): Promise<void> {
  const isOver = async () => {
    const workers = (await warden.apps()).flatMap((app) => app.workers);
    return workers.every(({ resident_memory_bytes: bytes, restarting }) => !restarting && bytes !== null && bytes > 1.1 * LIMIT_BYTES);
  };
  await waitFor('all workers to be over their limit', isOver, 60_000);
}

/** All restarts that are on record, by worker; as soon as each has its outcome. */
export async function restartsOf(warden: WardenProcess): Promise<number[]> {
  const look = async (): Promise<IncidentStatus[] | null> => {
    const response = await fetch(`${warden.url}/api/v1/incidents?app=leaky&limit=1000`);
    const { incidents } = (await response.json()) as { incidents: IncidentStatus[] };
    const restarts = incidents.filter(({ action }) => action === 'restart');
    return restarts.every(({ outcome }) => outcome) ? restarts : null;
  };
  const restarts = await waitFor('the restarts to end', look, 60_000);
  return WORKERS.map((name) => restarts.filter(({ worker }) => worker === name).length);
}

/** Peak of the warden's resident memory so far, in bytes: proc_pid_status(5). */
export function peakBytes({ child }: WardenProcess): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) * 1024;
}

/** Seconds of processor time it has used: proc_pid_stat(5), in ticks of 10 ms. */
function cpuSeconds({ child }: WardenProcess): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1');
  const [user, system] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

/** How long a restart that is on record may take to be seen in the apps, in milliseconds. */
const SEEN_MS = 5000;

/**
 * Scrapes until it is told to stop and has seen so many processes of each worker, or will not; that resolves with what it
 * saw. Has seen the first of them when it resolves itself: in a storm a worker is replaced before an answer comes.
 */
export async function watch(warden: WardenProcess) {
  const pids = new Map(WORKERS.map((worker) => [worker, new Set<number>()]));
  const seen = { scrapes: 0, slowestMs: 0, lagSeconds: 0, pids };
  const stop = new AbortController();
  const round = async (): Promise<void> => {
    const begunAt = performance.now();
    const response = await fetch(`${warden.url}/metrics`);
    const page = await response.text();
    if (response.status !== 200) throw new Error(`a scrape was answered ${response.status}`);
    seen.scrapes++;
    seen.slowestMs = Math.max(seen.slowestMs, performance.now() - begunAt);
    seen.lagSeconds = Math.max(seen.lagSeconds, Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(page)?.[1] ?? 0));
    for (const { worker, pid } of (await warden.apps()).flatMap(({ workers }) => workers)) {
      if (pid !== null) pids.get(worker)?.add(pid);
    }
  };
  await round();
  const watching = (async () => {
    while (!stop.signal.aborted) {
      await round();
      await sleep(100);
    }
  })();
  watching.catch(() => {}); // told to whoever stops it
  return async (processes: number): Promise<typeof seen> => {
    stop.abort();
    await watching;
    const isMissing = (): boolean => [...pids.values()].some(({ size }) => size < processes);
    for (const end = performance.now() + SEEN_MS; isMissing() && performance.now() < end; await sleep(100)) await round();
    return seen;
  };
}

/** 10,000 alerts, each another one; `real` are among them. Most are about nothing that is here. */
export function crowd(real: readonly Alert[], atMs: number, random: () => number): Alert[] {
  const others = Array.from({ length: 10_000 - real.length }, (_, i): Alert => {
    const print = `crowd-${atMs}-${i}`;
    const ours = alertOf('leaky', WORKERS[i % WORKERS.length]!, print, atMs - 1000 - i);
    const kinds = [
      () => alertOf(`unknown-${i}`, '0', print, atMs),
      () => alertOf('leaky', `w${i}`, print, atMs),
      () => resolved(ours, atMs),
      () => ({ ...ours, labels: { ...ours.labels, action: 'page' } }),
      () => ({ ...ours, startsAt: 'soon' }),
      () => ours,
    ];
    return kinds[i % kinds.length]!();
  });
  return shuffled([...others, ...real], random);
}

export const tallied = (values: readonly (string | number)[]): Record<string, number> =>
  Object.fromEntries([...new Set(values)].map((value) => [value, values.filter((other) => other === value).length]));

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** Sends all at the same time; in the end every one is taken, and none had to wait for long. */
export async function sendAll(t: Test, warden: WardenProcess, what: string, bodies: readonly Buffer[][]): Promise<Sent[]> {
  const [startedAt, cpuBefore] = [performance.now(), cpuSeconds(warden)];
  const sent = await Promise.all(bodies.map((body) => send(warden, body)));
  const slowestMs = Math.max(...sent.map((one) => one.slowestMs));
  const attempts = sent.reduce((sum, one) => sum + one.attempts, 0);
  t.comment(
    `${what}: ${seconds(performance.now() - startedAt)}, of which the warden computed ${(cpuSeconds(warden) - cpuBefore).toFixed(1)} s; ` +
      `slowest answer ${seconds(slowestMs)}; ${attempts} attempts; peak so far ${(peakBytes(warden) / MIB).toFixed(0)} MiB`,
  );
  t.strictSame(tallied(sent.map(({ status }) => status)), { 202: bodies.length }, `${what}: all are taken`);
  t.ok(slowestMs < 60_000, `${what}: none was kept waiting; the slowest answer took ${seconds(slowestMs)}`);
  return sent;
}

/** That it was a warden all the time, and as many processes as restarts were seen. */
export async function endWatch(t: Test, warden: WardenProcess, stopWatching: Awaited<ReturnType<typeof watch>>, restarts: number): Promise<void> {
  const { scrapes, slowestMs, lagSeconds, pids } = await stopWatching(restarts + 1);
  t.comment(
    `${scrapes} scrapes, the slowest ${seconds(slowestMs)}; longest lag of the warden's event loop ${lagSeconds.toFixed(2)} s; ` +
      `peak ${(peakBytes(warden) / MIB).toFixed(0)} MiB; ${warden.log.length} bytes of log`,
  );
  t.strictSame([...pids.values()].map(({ size }) => size), WORKERS.map(() => restarts + 1), 'as many processes as the record says');
  t.ok(slowestMs < 10_000, 'scrapes were answered within the ten seconds that Prometheus gives them');
  t.ok(lagSeconds > 0 && lagSeconds < 5, `the event loop turned all the time: its longest lag was ${lagSeconds.toFixed(2)} s`);
}
