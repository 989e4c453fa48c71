/** Two wardens on one state folder: the second would take the first one's apps for leftovers, and stop them. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isAlive, mustIdentify } from '../observe/support.js';
import { freePort } from '../parts/prometheus.js';
import { reportFolder, runningIn } from '../supervisors/child-support.js';
import { slowService, startsIn } from './slow-service.js';
import { waitFor } from './wait.js';
import { WardenProcess } from './warden-process.js';

t.setTimeout(400_000);

const REFUSAL = /^\S+ ERROR another heapwarden \(pid (\d+)\) uses the state folder \S+\. Stop it first, or give this one a state_dir of its own in the config\n$/;

const configFor = (folder: string) => `
apps:
  - name: only
    supervisor: ${slowService(folder)}
    restart: { cooldown: 0s, startup_grace: 0s, mode: stop_first, stop_timeout: 3s }
`;

t.test('the second refuses, and the first goes on untouched', async (t) => {
  const folder = await reportFolder(t);
  const first = await WardenProcess.start(t, { config: configFor(folder) });
  await first.ready();
  await waitFor('the app', () => startsIn(folder).length === 1);
  const app = await mustIdentify((await first.pid('only'))!);
  const state = () => ['warden.lock', 'children.json', 'journal.jsonl', 'token'].map((file) => readFileSync(join(first.dir, file), 'utf8'));
  const before = state();

  const second = await WardenProcess.start(t, { config: configFor(folder), dir: first.dir });
  await waitFor('its end', () => !second.isAlive);
  t.equal(second.child.exitCode, 1);
  t.equal(REFUSAL.exec(second.log)?.[1], String(first.child.pid), second.log);
  t.strictSame(state(), before, 'not a byte has changed');
  t.ok(await isAlive(app));
  t.equal((await first.post('/api/v1/apps/only/restart', {})).status, 202, 'the first still does its work');
  t.match(await first.finishedRestart(), { outcome: { result: 'recovered' } });
  t.match(await (await fetch(`${first.url}/-/ready`)).text(), /ready/i);
  t.equal(await first.stop(), 0);
  t.strictSame(await runningIn(folder), []);
});

t.test('of two at the very same moment, one wins: twelve times, each over the lock of one that was killed', async (t) => {
  const folder = await reportFolder(t);
  const config = configFor(folder);
  let dir: string | undefined;
  for (let round = 1; round <= 12; round++) {
    const ports = [await freePort(), await freePort()];
    const setup = { config, ...(dir === undefined ? {} : { dir }) };
    const a = await WardenProcess.start(t, { ...setup, port: ports[0]! });
    const b = await WardenProcess.start(t, { ...setup, port: ports[1]!, dir: a.dir });
    dir = a.dir;
    const loser = await waitFor('one of them to end', () => [a, b].find(({ isAlive: lives }) => !lives), 60_000);
    const winner = loser === a ? b : a;
    await winner.ready();
    t.equal(loser.child.exitCode, 1, `round ${round}`);
    t.equal(REFUSAL.exec(loser.log)?.[1], String(winner.child.pid), loser.log);
    const pid = await waitFor('the app', () => winner.pid('only'));
    t.strictSame((await runningIn(folder)).map((id) => id.pid), [pid], 'one app runs, the winner\'s');
    await winner.stop('SIGKILL');
    t.ok(readdirSync(dir).includes('warden.lock'), 'the killed one leaves its lock');
    t.strictSame(readdirSync(dir).filter((name) => name.startsWith('warden.lock.')), []);
  }
});

t.test('a lock whose pid another process has by now', async (t) => {
  const folder = await reportFolder(t);
  const first = await WardenProcess.start(t, { config: configFor(folder) });
  await first.ready();
  await first.stop('SIGKILL');
  const { start } = JSON.parse(readFileSync(join(first.dir, 'warden.lock'), 'utf8')) as { start: number };
  // This test's own process, which lives, and is not the one that took the lock.
  writeFileSync(join(first.dir, 'warden.lock'), JSON.stringify({ pid: process.pid, start }));
  const next = await WardenProcess.start(t, { config: configFor(folder), dir: first.dir });
  await next.ready();
  const pid = await waitFor('the app', () => next.pid('only'));
  t.strictSame((await runningIn(folder)).map((id) => id.pid), [pid], 'what the killed one left has gone');
  t.equal(await next.stop(), 0);
});
