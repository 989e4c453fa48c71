/**
 * A storm of webhooks at the real program, over workers that are over their limit again and again: whatever comes, and
 * however often, each distinct alert leads to one restart at most, every sender has an answer in time, and memory stays
 * bounded.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { IncidentStatus } from '../../src/publish/incidents.js';
import { alertOf, bodyOf, randomOf, resolved, send, shuffled, type Alert, type Sent } from './storm-sender.js';
import { waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

const MIB = 2 ** 20;
const WORKERS = ['0', '1', '2', '3'];
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

/** Peak of the warden's resident memory so far, in bytes: proc_pid_status(5). */
function peakBytes({ child }: WardenProcess): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) * 1024;
}

/** Scrapes all the time until it is told to stop, and keeps what it has seen. */
function watch(warden: WardenProcess) {
  const seen = { scrapes: 0, slowestMs: 0, pids: new Map(WORKERS.map((worker) => [worker, new Set<number>()])) };
  let running = true;
  const done = (async () => {
    while (running) {
      const begunAt = performance.now();
      const { status } = await fetch(`${warden.url}/metrics`);
      seen.slowestMs = Math.max(seen.slowestMs, performance.now() - begunAt);
      if (status !== 200) throw new Error(`a scrape was answered ${status}`);
      seen.scrapes++;
      for (const { worker, pid } of (await warden.apps()).flatMap(({ workers }) => workers)) {
        if (pid !== null) seen.pids.get(worker)?.add(pid);
      }
      await sleep(100);
    }
    return seen;
  })();
  return async () => {
    running = false;
    return done;
  };
}

/** All workers over their limit, as the warden sees it. */
async function allOver(warden: WardenProcess): Promise<void> {
  const isOver = async () => {
    const workers = (await warden.apps()).flatMap((app) => app.workers);
    return workers.every(({ resident_memory_bytes: bytes, restarting }) => !restarting && bytes !== null && bytes > 1.1 * LIMIT_BYTES);
  };
  await waitFor('all workers to be over their limit', isOver, 60_000);
}

async function restartsOf(warden: WardenProcess): Promise<IncidentStatus[]> {
  const response = await fetch(`${warden.url}/api/v1/incidents?app=leaky&limit=1000`);
  return ((await response.json()) as { incidents: IncidentStatus[] }).incidents.filter(({ action }) => action === 'restart');
}

const perWorker = (restarts: readonly IncidentStatus[]) =>
  WORKERS.map((name) => restarts.filter(({ worker }) => worker === name).length);

/** 10,000 alerts, each another one; `real` are among them. Most are about nothing that is here. */
function crowd(real: readonly Alert[], atMs: number, random: () => number): Alert[] {
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

const slowest = (sent: readonly Sent[]) => Math.max(...sent.map(({ slowestMs }) => slowestMs));
const tallied = (values: readonly (string | number)[]) =>
  Object.fromEntries([...new Set(values)].map((value) => [value, values.filter((other) => other === value).length]));

t.test('a storm', { timeout: 170_000 }, async (t) => {
  const seed = randomInt(2 ** 31);
  const random = randomOf(seed);
  t.comment(`seed ${seed}`);
  const warden = await (await WardenProcess.start(t, { config: CONFIG })).ready();
  await allOver(warden);
  const stopWatching = watch(warden);
  const told = (what: string, startedAt: number, sent: readonly Sent[]) =>
    t.comment(
      `${what}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s, slowest answer ${(slowest(sent) / 1000).toFixed(1)} s, ` +
        `${sent.reduce((sum, { attempts }) => sum + attempts, 0)} attempts, peak ${(peakBytes(warden) / MIB).toFixed(0)} MiB`,
    );
  t.comment(`before: peak ${(peakBytes(warden) / MIB).toFixed(0)} MiB`);

  const first = WORKERS.map((worker) => alertOf('leaky', worker, `first-${worker}`, Date.now()));
  const alerts = crowd(first, Date.now(), random);
  await t.test('10,000 alerts in one body', async (t) => {
    const startedAt = performance.now();
    const sent = await send(warden, bodyOf(alerts));
    told('10,000 alerts in one body', startedAt, [sent]);
    t.equal(sent.status, 202);
    t.strictSame(sent.answers.map(({ fingerprint }) => fingerprint), alerts.map(({ fingerprint }) => fingerprint));
    const decisions = tallied(sent.answers.map(({ decision }) => decision));
    t.equal(decisions['restart'], WORKERS.length, JSON.stringify(decisions));
  });

  await t.test('1,000 bodies in parallel: the same alerts again, in another order, other alerts of the same workers', async () => {
    const bodies = Array.from({ length: 1000 }, (_, i) => {
      const some = shuffled(alerts, random).slice(0, 20);
      const more = alertOf('leaky', WORKERS[i % WORKERS.length]!, `more-${i}`, Date.parse(first[0]!.startsAt));
      return bodyOf(shuffled([...some, ...first, more, ...some.slice(0, 5)], random));
    });
    await all(t, warden, 'a thousand small bodies', bodies, told);
  });

  await t.test('1,000 bodies in parallel with labels of 1 MB', async () => {
    const filler = Buffer.alloc(1e6, 'x');
    const bodies = Array.from({ length: 1000 }, () => bodyOf(shuffled(first, random), filler));
    await all(t, warden, 'a thousand bodies of 1 MB', bodies, told);
  });

  await t.test('bodies cut off in the middle, and of strangers', async (t) => {
    const body = bodyOf(alerts.slice(0, 1000));
    const strangers = Promise.all(Array.from({ length: 100 }, () => send(warden, body, 'guess')));
    for (let i = 0; i < 200; i++) cutOff(t, warden, Buffer.concat(body), random);
    t.strictSame(tallied((await strangers).map(({ status }) => status)), { 401: 100 });
    await sleep(500);
    const sent = await send(warden, bodyOf(first));
    t.equal(sent.attempts, 1, 'they hold no place');
    t.ok(sent.slowestMs < 2000, `a usual body is answered at once: ${sent.slowestMs.toFixed(0)} ms`);
  });

  await waitFor('the restarts to end', async () => (await restartsOf(warden)).every(({ outcome }) => outcome), 60_000);
  t.strictSame(perWorker(await restartsOf(warden)), [1, 1, 1, 1], 'each worker once');

  await t.test('the next alerts, amid replays of the first', async () => {
    await allOver(warden);
    const second = WORKERS.map((worker) => alertOf('leaky', worker, `first-${worker}`, Date.now()));
    const bodies = Array.from({ length: 300 }, () => bodyOf(shuffled([...second, ...first, ...shuffled(alerts, random).slice(0, 20)], random)));
    await all(t, warden, 'three hundred bodies', bodies, told);
    await waitFor('the restarts to end', async () => (await restartsOf(warden)).every(({ outcome }) => outcome), 60_000);
    t.strictSame(perWorker(await restartsOf(warden)), [2, 2, 2, 2], 'each worker once more: the same alert with another start');
  });

  const seen = await stopWatching();
  t.comment(`${seen.scrapes} scrapes, the slowest ${(seen.slowestMs / 1000).toFixed(1)} s; peak ${(peakBytes(warden) / MIB).toFixed(0)} MiB`);
  t.strictSame([...seen.pids.values()].map(({ size }) => size), [3, 3, 3, 3], 'as many processes as the record says');
  t.ok(seen.slowestMs < 10_000, 'scrapes were answered within the ten seconds that Prometheus gives them');
  t.ok(peakBytes(warden) < 700 * MIB);
  t.equal(await warden.stop(), 0);
});

type Told = (what: string, startedAt: number, sent: readonly Sent[]) => void;

/** Sends all at the same time: in the end every one is taken. */
async function all(t: Test, warden: WardenProcess, what: string, bodies: readonly Buffer[][], told: Told): Promise<void> {
  const startedAt = performance.now();
  const sent = await Promise.all(bodies.map((body) => send(warden, body)));
  told(what, startedAt, sent);
  t.strictSame(tallied(sent.map(({ status }) => status)), { 202: bodies.length }, `${what}: all are taken`);
  t.ok(slowest(sent) < 30_000, `${what}: the slowest answer took ${(slowest(sent) / 1000).toFixed(1)} s`);
}

/** Announces up to 16 MiB, sends a part of the body, and is gone: closed, or reset. */
function cutOff(t: Test, warden: WardenProcess, body: Buffer, random: () => number): void {
  const socket = connect(warden.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {}); // that is what it is for
  const length = random() < 0.2 ? 'Transfer-Encoding: chunked' : `Content-Length: ${Math.floor(body.length + random() * 15 * MIB)}`;
  socket.write(
    `POST /api/v1/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${warden.token}\r\n` +
      `Content-Type: application/json\r\n${length}\r\n\r\n`,
  );
  const part = body.subarray(0, Math.floor(random() * body.length));
  socket.write(length.startsWith('T') ? `${part.length.toString(16)}\r\n${part.toString()}` : part, () => {
    if (random() < 0.5) socket.end();
    else socket.resetAndDestroy();
  });
}
