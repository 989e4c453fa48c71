/** The command line as a person meets it, on the built program. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { LinuxProcesses } from '../../src/observe/linux.js';
import { needParts } from '../parts/index.js';
import { runPlain, spawnPlain } from './plain-node.js';
import { waitFor } from './wait.js';
import { CLI, WardenProcess, appFile } from './warden-process.js';

const heapwarden = (...args: string[]) => runPlain([CLI, ...args]);

const quiet = `
apps:
  - name: quiet
    supervisor: { child: { command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(appFile('leaks.mjs'))}], env: { LEAK_MB: "1" }, instances: 2 } }
    limits: { rss: { restart: 900MB } }
    restart: { startup_grace: 0s, cooldown: 1h }
`;

t.test('--help, --version, and what makes no sense', async (t) => {
  t.match(await heapwarden('--help'), { code: 0, out: /Usage:[^]*heapwarden serve[^]*--config\.file/, err: '' });
  t.match(await heapwarden('--version'), { code: 0, out: /^heapwarden \d+\.\d+\.\d+\n$/, err: '' });
  t.match(await heapwarden(), { code: 2, err: /say what to do/ });
  t.match(await heapwarden('serve', '--no-such-flag'), { code: 2, err: /--no-such-flag/ });
});

t.test('an old Node is told so', async (t) => {
  const parts = needParts(t, 'node-18');
  if (!parts) return;
  const old = await runPlain([CLI, 'serve'], { node: parts['node-18'] });
  t.match(old, { code: 2, err: /heapwarden needs Node\.js 20 or newer, and this is v18/ });
});

t.test('check names every defect with its place', async (t) => {
  const dir = t.testdir({ 'bad.yml': 'apps:\n  - name: a\n    supervisor: { pm2: a }\n    limts: {}\n    memory: trees\n', 'good.yml': 'apps: []\n' });
  const bad = await heapwarden('check', `--config.file=${join(dir, 'bad.yml')}`);
  t.equal(bad.code, 1);
  t.match(bad.out, /bad\.yml:4:5: unknown key "limts"; did you mean "limits"\?\n.*limts: \{\}\n +\^/);
  t.match(bad.out, /bad\.yml:5:13: /);
  t.match(await heapwarden('check', `--config.file=${join(dir, 'good.yml')}`), { code: 0, out: /the config is valid/ });
  t.match(await heapwarden('check', `--config.file=${join(dir, 'none.yml')}`), { code: 1, out: /there is no config file at .*none\.yml/ });
});

t.test('restart asks the running warden and prints its answer', async (t) => {
  const warden = await WardenProcess.start(t, { config: quiet });
  await warden.ready();
  const flags = [`--url=${warden.url}`, `--config.file=${join(warden.dir, 'heapwarden.yml')}`];
  const before = [await warden.pid('quiet', '0'), await warden.pid('quiet', '1')];

  t.match(await heapwarden('restart', 'quiet', '--reason=rss', ...flags), { code: 1, out: /refused, measured again, its memory is [\d.]+ MB, below the limit of 900 MB/ });
  t.match(await heapwarden('restart', 'quiet', '--worker=1', '--dry-run', ...flags), { code: 0, out: /it would be restarted, but this was a dry run/ });
  t.strictSame([await warden.pid('quiet', '0'), await warden.pid('quiet', '1')], before, 'nothing was touched');

  t.match(await heapwarden('restart', 'quiet', '--worker=1', ...flags), { code: 0, out: /quiet\/1: a request asked for a restart \(manual\): it will be restarted/ });
  await warden.finishedRestart();
  t.equal(await warden.pid('quiet', '0'), before[0]);
  t.not(await warden.pid('quiet', '1'), before[1]);
  t.match(await heapwarden('restart', 'quiet', '--worker=1', ...flags), { code: 1, out: /its cooldown of 1h ends in/ });
  t.match(await heapwarden('restart', 'quiet', '--worker=1', '--force', ...flags), { code: 0, out: /asked for a forced restart/ });

  t.match(await heapwarden('restart', 'nobody', ...flags), { code: 1, out: /no app of this name is configured/ });
  writeFileSync(join(warden.dir, 'wrong'), 'not the token');
  t.match(await heapwarden('restart', 'quiet', `--token.file=${join(warden.dir, 'wrong')}`, ...flags), { code: 1, err: /does not know the token/ });
  t.match(await heapwarden('restart', 'quiet', '--url=http://127.0.0.1:9', flags[1]!), { code: 1, err: /no heapwarden answers at http:\/\/127\.0\.0\.1:9/ });
});

t.test('serve without a config shows what reports in and restarts nothing', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'hw-bare-')); // short, for the socket in it
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const args = [CLI, 'serve', '--web.listen-address=127.0.0.1:0', '--log.format=json'];
  const child = spawnPlain(args, { cwd: dir, env: { STATE_DIRECTORY: dir, RUNTIME_DIRECTORY: dir } });
  t.teardown(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += String(chunk)));
  await waitFor('it to say where it listens', () => log.includes('nothing is restarted'));
  const lines = log.trim().split('\n').map((line) => JSON.parse(line) as Record<string, string>);
  for (const line of lines) t.match(line, { ts: /^\d{4}-\d\d-\d\dT/, level: 'info', msg: String });
  t.match(lines[0]!['msg'], /watches no app yet/);
  t.match(log, /there is no heapwarden\.yml here: apps whose agents report in are shown, and nothing is restarted/);
  child.kill('SIGINT');
  t.equal(await new Promise((resolve) => child.once('exit', resolve)), 0);
});

for (const [what, code] of [
  ['an uncaught exception', '{ throw new Error("boom"); }'],
  ['an unhandled rejection', '{ Promise.reject(new Error("boom")); }'],
] as const) {
  t.test(`${what} is logged once, the apps are stopped, and the exit status is 1`, async (t) => {
    const dir = t.testdir({ 'boom.cjs': `if (process.argv[1]?.endsWith('cli.js')) process.on('SIGUSR2', () => ${code});` });
    const warden = await WardenProcess.start(t, { config: quiet, env: { NODE_OPTIONS: `--require=${join(dir, 'boom.cjs')}` } });
    await warden.ready();
    const pid = await warden.pid('quiet');
    const ended = new Promise((resolve) => warden.child.once('exit', resolve));
    warden.child.kill('SIGUSR2');
    t.equal(await ended, 1);
    t.equal(warden.log.match(/Error: boom/g)?.length, 1);
    t.match(warden.log, /heapwarden has failed and stops/);
    t.equal(await new LinuxProcesses().identify(pid!), null);
    t.notOk(existsSync(join(warden.dir, 'agent.sock')));
  });
}

t.test('npm start: the demo shows a warning, a critical and a restart within a minute, and Ctrl-C leaves nothing', async (t) => {
  const demo = fileURLToPath(new URL('../../deploy/demo/start.js', import.meta.url));
  const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('heapwarden-demo-'));
  const before = folders();
  const child = spawnPlain([demo, '--web.listen-address=127.0.0.1:0']);
  t.teardown(() => child.kill('SIGKILL'));
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += String(chunk)));
  await waitFor('the restart', () => /leaky-shop\/0: restarted in .* before, .* after/.test(log), 60_000);
  for (const line of [/status page +http:\/\/127\.0\.0\.1:\d+\//, /leaky-shop\/0 \| open for business/, /at or above its warning limit/, /at or above its critical limit/]) {
    t.match(log, line);
  }
  const processes = new LinuxProcesses();
  const apps = (await processes.tree((await processes.identify(child.pid!))!)).slice(1);
  t.equal(apps.length, 1, 'one app runs');
  child.kill('SIGINT');
  t.equal(await new Promise((resolve) => child.once('exit', resolve)), 0);
  t.equal(await processes.identify(apps[0]!.pid), null, 'the app is gone');
  t.strictSame(folders(), before, 'and so is the state');
});
