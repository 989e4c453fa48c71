/** The embedded loop on a real leaking process, through the real program. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LinuxProcesses } from '../../src/observe/linux.js';
import { spawnPlain } from './plain-node.js';
import { waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

const processes = new LinuxProcesses();

const leaky = (extra = '') => `
sample_interval: 500ms
apps:
  - name: leaky
    supervisor: { child: { command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(appFile('leaks.mjs'))}], env: { LEAK_MB_PER_SECOND: "20" } } }
    limits: { rss: { warning: 90MB, critical: 110MB, restart: 150MB, for: 1s } }
    restart: { startup_grace: 1s, cooldown: 1m, stop_timeout: 3s }
${extra}`;

t.test('a leak is warned of, called critical, restarted once, and the memory is back', async (t) => {
  const warden = await WardenProcess.start(t, { config: leaky() });
  await warden.ready();
  const first = await waitFor('a first pid', () => warden.pid('leaky'));
  const incident = await warden.finishedRestart();
  t.match(incident, { action: 'restart', reason: 'rss', asked: 'rss', origin: 'guard', app: 'leaky', worker: '0' });
  t.match(incident.outcome, { result: 'recovered', stop: 'exited', interrupted: false });
  t.ok(incident.before!.resident_memory_bytes >= 150e6, 'it was over the limit');
  t.ok(incident.outcome!.after!.resident_memory_bytes < 110e6, 'and is below the critical line');
  t.equal(incident.before!.pid, first);
  t.equal(await processes.identify(first), null, 'the old process has gone');

  // The outcome is published before it is logged.
  await waitFor('the log to tell of the restart', () => /leaky\/0: restarted in/.test(warden.log));
  for (const [level, limit] of [['warning', 90], ['critical', 110], ['restart', 150]] as const) {
    t.match(warden.log, new RegExp(`leaky/0: memory [\\d.]+ MB, at or above its ${level} limit of ${limit} MB for 1s`));
  }
  t.match(warden.log, /leaky\/0: restarted in [\d.]+ s, [\d.]+ s of it down; memory \d\d\d MB before, \d\d(\.\d)? MB after/);

  t.equal(await warden.metric('heapwarden_restarts_total', { app: 'leaky', reason: 'rss', result: 'recovered' }), 1);
  t.equal(await warden.metric('heapwarden_restart_budget_remaining', { app: 'leaky' }), 4);
  t.ok((await warden.metric('heapwarden_restart_reclaimed_bytes', { app: 'leaky' }))! > 20e6);

  await waitFor('the next breach to be refused', async () => (await warden.incidents()).find(({ reason }) => reason === 'cooldown'), 15_000);
  t.equal((await warden.restarts()).length, 1, 'the cooldown holds');
  const refused = (await warden.metric('heapwarden_restart_refusals_total', { app: 'leaky', refusal: 'cooldown' }))!;
  t.ok(refused >= 1, `counted ${refused} times`);
  t.equal((await warden.incidents()).filter(({ reason }) => reason === 'cooldown').length, 1, 'and is on record once');
});

t.test('SIGTERM leaves nothing behind: no process, no socket, no temporary file', async (t) => {
  const config = leaky().replace('env: {', 'instances: 3, env: { LEAK_MB: "5",');
  const warden = await WardenProcess.start(t, { config });
  await warden.ready();
  const [app] = await warden.apps();
  t.equal(app!.workers.length, 3);
  const pids = app!.workers.map(({ pid }) => pid!);
  t.ok(existsSync(join(warden.dir, 'agent.sock')));
  t.equal(await warden.stop(), 0, 'exit status 0');
  for (const pid of pids) t.equal(await processes.identify(pid), null, `process ${pid} has gone`);
  t.strictSame(readdirSync(warden.dir).toSorted(), ['children.json', 'day.bin', 'heapwarden.yml', 'journal.jsonl', 'token']);
  t.strictSame(JSON.parse(readFileSync(join(warden.dir, 'children.json'), 'utf8')).apps, {});
  t.match(warden.log, /heapwarden has stopped\n$/, 'the last line is out');
});

t.test('a warden that cannot start says why and exits with 1', async (t) => {
  const warden = await WardenProcess.start(t, { config: leaky().replace('rss: {', 'rs: {') });
  const code = await new Promise((resolve) => warden.child.once('exit', resolve));
  t.equal(code, 1);
  t.match(warden.log, /heapwarden\.yml:\d+:\d+: unknown key "rs"/);

  const running = await WardenProcess.start(t, { config: 'apps: []' });
  await running.ready();
  const second = await WardenProcess.start(t, { config: 'apps: []', port: running.port });
  t.equal(await new Promise((resolve) => second.child.once('exit', resolve)), 1);
  t.match(second.log, /cannot listen on 127\.0\.0\.1:\d+: another program listens there \(a heapwarden that still runs\?\)/);
});

t.test('SIGHUP and POST /-/reload take over new limits; a wrong config changes nothing', async (t) => {
  const warden = await WardenProcess.start(t, { config: leaky().replace('env: {', 'env: { LEAK_MB: "5",') });
  await warden.ready();
  const pid = await warden.pid('leaky');
  const limit = () => warden.metric('heapwarden_limit_bytes', { app: 'leaky', level: 'restart' });
  t.equal(await limit(), 150e6);

  WardenProcess.writeConfig(warden.dir, leaky().replace('env: {', 'env: { LEAK_MB: "5",').replace('restart: 150MB', 'restart: 160MB'));
  warden.child.kill('SIGHUP');
  await waitFor('the new limit', async () => (await limit()) === 160e6);
  t.equal(await warden.pid('leaky'), pid, 'a new limit restarts nothing');

  WardenProcess.writeConfig(warden.dir, leaky().replace('restart: 150MB', 'restart: 1MB'));
  const failed = await warden.post('/-/reload');
  t.equal(failed.status, 500);
  t.match(failed.body, /critical \(110MB\) is above restart \(1MB\)/);
  t.equal(await limit(), 160e6, 'the running config stays');
  t.equal(await warden.metric('heapwarden_config_last_reload_successful'), 0);

  WardenProcess.writeConfig(warden.dir, leaky().replace('env: {', 'env: { LEAK_MB: "6",'));
  t.equal((await warden.post('/-/reload', undefined, 'wrong')).status, 401);
  t.equal((await warden.post('/-/reload')).status, 200);
  t.equal(await warden.metric('heapwarden_config_last_reload_successful'), 1);
  const next = await waitFor('the app with its new environment', async () => {
    const now = await warden.pid('leaky');
    return now !== pid && now;
  });
  t.match(readFileSync(`/proc/${next}/environ`, 'latin1'), /LEAK_MB=6\0/);
});

t.test('an app without a config is shown by its agent, and never restarted', async (t) => {
  const warden = await WardenProcess.start(t, { config: 'sample_interval: 500ms' });
  await warden.ready();
  const agent = import.meta.resolve('heapwarden/agent');
  const app = spawnPlain(['--import', agent, appFile('leaks.mjs')], {
    env: { HEAPWARDEN_SOCKET: join(warden.dir, 'agent.sock'), HEAPWARDEN_APP: 'stray', LEAK_MB: '5' },
  });
  t.teardown(() => app.kill('SIGKILL'));
  const stray = await waitFor('the stray app', async () => (await warden.apps()).find(({ app: name }) => name === 'stray'));
  t.match(stray, { managed: false, supervisor: 'none', workers: [{ worker: '0', pid: app.pid, up: true }] });
  const answer = await warden.post('/api/v1/apps/stray/restart', { force: true });
  t.equal(answer.status, 409);
  t.match(answer.body, { decisions: [{ action: 'refuse', reason: 'unmanaged' }] });
  t.equal(app.exitCode, null, 'it still runs');
});
