/** The warden dies by SIGKILL in the middle of a restart; the next one completes the record and restarts nothing twice. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Recorded } from '../../src/act/incident.js';
import { parseJournal } from '../../src/act/journal-lines.js';
import { LinuxProcesses } from '../../src/observe/linux.js';
import { needParts } from '../parts/index.js';
import { freePort } from '../parts/prometheus.js';
import { realPm2 } from '../parts/pm2.js';
import { reportFolder } from '../supervisors/child-support.js';
import { never, waitFor } from './wait.js';
import { CLI, WardenProcess, appFile } from './warden-process.js';

const settings = (limits: string) => `
    limits: { rss: { ${limits}, for: 0s } }
    restart: { startup_grace: 0s, cooldown: 1h, budget: 3/1h, stop_timeout: 8s }
`;

function journal(dir: string): Recorded[] {
  const file = join(dir, 'journal.jsonl');
  return existsSync(file) ? parseJournal(readFileSync(file, 'utf8')).incidents : [];
}

/** `begun` tells when the restart has got beyond its intent. */
async function killInTheMiddle(warden: WardenProcess, begun: () => Promise<boolean>): Promise<void> {
  await waitFor('the intent on disk', () => warden.isAlive && journal(warden.dir).some(({ action }) => action === 'restart'));
  await waitFor('the restart to begin', begun);
  await warden.stop('SIGKILL');
  const [intent] = journal(warden.dir).filter(({ action }) => action === 'restart');
  if (intent?.outcome !== null) throw new Error('the restart was over before the warden died: nothing is shown by this run');
}

t.test('a child app: its orphan is replaced, the budget has counted the restart', async (t) => {
  const command = JSON.stringify([process.execPath, appFile('freezes.mjs')]);
  // It is above the limit as soon as it is frozen, and not before: until then it ends on SIGTERM.
  const config = (limits: string) => `
sample_interval: 300ms
apps:
  - name: stubborn
    supervisor: { child: { command: ${command}, env: { FREEZE_AFTER_MS: "300", FREEZE_MB: "200" } } }
${settings(limits)}`;
  const low = config('critical: 190MB, restart: 200MB');
  const warden = await WardenProcess.start(t, { config: low });
  await killInTheMiddle(warden, async () => true);
  const [intent] = journal(warden.dir);
  const old = { pid: intent!.before!.pid, start: intent!.before!.start };

  // Back with a limit that no process reaches: what happens now is the old restart's business alone.
  const next = await WardenProcess.start(t, { config: config('restart: 9GB'), dir: warden.dir });
  await next.ready();
  const processes = new LinuxProcesses();
  t.not((await processes.identify(old.pid))?.start, old.start, 'the orphan of the dead warden is gone');
  await next.finishedRestart();
  const [incident] = await next.restarts();
  t.match(incident, { id: intent!.id, outcome: { interrupted: true, result: 'recovered' } });
  t.match(incident!.outcome!.sentence, /heapwarden itself was stopped in the middle/);
  t.equal(await next.metric('heapwarden_restart_budget_remaining', { app: 'stubborn' }), 2);
  t.equal(await next.metric('heapwarden_restarts_total', { reason: 'rss', result: 'recovered' }), 1);

  const pid = await next.pid('stubborn');
  await next.stop();
  const third = await WardenProcess.start(t, { config: low, dir: warden.dir });
  await third.ready();
  t.not(await third.pid('stubborn'), pid, 'a child app starts with its warden');
  await waitFor('the cooldown to be remembered', async () => (await third.incidents()).find(({ reason }) => reason === 'cooldown'));
  await never('it is restarted a second time', async () => (await third.restarts()).length > 1, 3000);
  t.equal(await third.metric('heapwarden_restart_budget_remaining', { app: 'stubborn' }), 2);
  t.equal(await third.metric('heapwarden_restarts_total', { reason: 'rss', result: 'recovered' }), 1, 'counted on');
});

t.test('a PM2 app: PM2 ends what the dead warden began, and the record says so', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  // It ignores SIGINT, so PM2 waits for its kill_timeout: time enough to see that, and kill the warden in between.
  await pm2.start({ name: 'slow', env: { HOW: 'stubborn' }, kill_timeout: 6000 });
  const config = (limits: string) => `
sample_interval: 300ms
apps:
  - name: slow
    supervisor: { pm2: slow }
    runtime: none
${settings(limits)}`;
  const before = (await pm2.list('slow'))[0]!.pid;
  const env = { PM2_HOME: pm2.home };
  const warden = await WardenProcess.start(t, { config: config('critical: 10MB, restart: 20MB'), env });
  await killInTheMiddle(warden, async () => (await pm2.list('slow'))[0]?.pm2_env['status'] === 'stopping');
  const after = await waitFor('PM2 to end the restart', async () => {
    const [entry] = await pm2.list('slow');
    return entry && entry.pid > 0 && entry.pid !== before && entry.pid;
  });

  const next = await WardenProcess.start(t, { config: config('critical: 8GB, restart: 9GB'), dir: warden.dir, env });
  await next.ready();
  await next.finishedRestart();
  const [incident, ...others] = await next.restarts();
  t.strictSame(others, []);
  t.match(incident, { before: { pid: before }, outcome: { interrupted: true, result: 'recovered', after: { pid: after } } });
  t.equal(await next.metric('heapwarden_restart_budget_remaining', { app: 'slow' }), 2);
  await never('it is restarted again', async () => (await pm2.list('slow'))[0]?.pid !== after, 3000);
});

t.test('an app that something else runs: drained for the restart, it takes no connections, and the next warden replaces it', async (t) => {
  const folder = await reportFolder(t);
  const port = await freePort();
  const server = join(folder, 'server.cjs');
  // With what would keep it alive for good, as a connection to a database does.
  writeFileSync(server, `
const answer = (request, response) => request.url === '/slow' || response.end(String(process.pid));
require('node:http').createServer(answer).listen(${port}, '127.0.0.1');
setInterval(() => {}, 1e6);`);
  const agent = join(CLI, '../agent/index.cjs');
  const shell = spawn('/usr/bin/env', ['-u', 'NODE_OPTIONS', '/bin/sh', '-c', 'while :; do "$@"; sleep 0.1; done', 'sh',
    process.execPath, `--require=${agent}`, server], {
    env: { ...process.env, REPORT_DIR: folder, HEAPWARDEN_SOCKET: join(folder, 'agent.sock'), HEAPWARDEN_APP: 'shop' }, stdio: 'ignore',
  });
  t.teardown(() => shell.kill('SIGKILL')); // the app is reportFolder's
  const config = `
sample_interval: 300ms
agent_socket: ${folder}/agent.sock
apps:
  - name: shop
    supervisor: { external: { match: '^\\S*node \\S+ ${server.replaceAll('.', '\\.')}$', restart: { signal: SIGTERM } } }
    restart: { mode: graceful, startup_grace: 0s, cooldown: 1h, stop_timeout: 8s }
`;
  const serving = () => fetch(`http://127.0.0.1:${port}/`).then(async (response) => Number(await response.text()), () => null);
  const warden = await WardenProcess.start(t, { config });
  await warden.ready();
  const old = await waitFor('the app', serving);
  await waitFor('its agent', async () => (await warden.metric('heapwarden_agent_up', { app: 'shop' })) === 1);
  const slow = fetch(`http://127.0.0.1:${port}/slow`).catch(() => null);
  t.equal((await warden.post('/api/v1/apps/shop/restart', {})).status, 202);
  await killInTheMiddle(warden, async () => (await serving()) === null);
  t.ok(await new LinuxProcesses().identify(old), 'it runs, and nobody stops it');

  const next = await WardenProcess.start(t, { config, dir: warden.dir });
  await next.ready();
  await next.finishedRestart(60_000);
  const [incident, ...others] = await next.restarts();
  t.strictSame(others, []);
  t.match(incident, { id: journal(next.dir)[0]!.id, before: { pid: old }, outcome: { interrupted: true, result: 'recovered', stop: 'exited' } });
  t.equal(await waitFor('the app', serving), incident!.outcome!.after!.pid);
  await slow;
});
