/** Pause, windows and restarts that do not help, at the real program and a real app that leaks. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runPlain } from './plain-node.js';
import { never, waitFor } from './wait.js';
import { CLI, WardenProcess, appFile } from './warden-process.js';

const appWith = (settings: string, env = 'LEAK_MB_PER_SECOND: "200", LEAK_MB: "150"', file = appFile('leaks.mjs')) => `
sample_interval: 300ms
apps:
  - name: leaky
    supervisor: { child: { command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(file)}], env: { ${env} } } }
    limits: { rss: { restart: 120MB, for: 0s } }
${settings}`;

/** The command line of a person beside the running warden. */
async function command(warden: WardenProcess, ...args: string[]) {
  const flags = [`--url=${warden.url}`, `--config.file=${join(warden.dir, 'heapwarden.yml')}`];
  const { code, out, err } = await runPlain([CLI, ...args, ...flags]);
  return { code, said: out + err };
}

t.test('a pause outlives heapwarden, and ends with a word', async (t) => {
  const config = appWith('    restart: { startup_grace: 0s, cooldown: 0s, budget: 100/1h, stop_timeout: 3s }');
  const first = await WardenProcess.start(t, { config: config.replace('"200"', '"1"') });
  await first.ready();
  t.strictSame(await command(first, 'pause', 'leaky'), {
    code: 0,
    said: 'leaky is paused: no automatic restarts, until you say: heapwarden resume\n',
  });
  t.match(await command(first, 'pause', 'shop'), { code: 1, said: /no app "shop" is configured/ });
  t.equal(await first.stop(), 0);

  const warden = await WardenProcess.start(t, { config, dir: first.dir });
  await warden.ready();
  const refusal = await waitFor('a refusal', async () => (await warden.incidents()).find(({ reason }) => reason === 'paused'));
  t.match(refusal.sentence, /refused, the app is paused until somebody resumes it$/);
  t.equal(await warden.metric('heapwarden_restarts_blocked', { app: 'leaky', refusal: 'paused' }), 1);
  t.match(await warden.apps(), [{ paused: { until_seconds: null }, workers: [{ blocked: ['paused'] }] }]);
  await never('it is restarted', async () => (await warden.restarts()).length > 0, 1500);
  t.match(await command(warden, 'restart', 'leaky'), { code: 1, said: /refused, the app is paused/ });
  t.match(await command(warden, 'resume', 'leaky'), { code: 0, said: 'leaky is resumed: automatic restarts are allowed\n' });
  t.match((await warden.finishedRestart()).origin, 'guard');
  t.match((await command(warden, 'incidents', 'leaky')).said, /asked for a restart \(rss\).*\n +→ /);
});

t.test('a pause for some time ends by itself', async (t) => {
  const config = appWith('    restart: { startup_grace: 2s, cooldown: 1m, stop_timeout: 3s }');
  const warden = await WardenProcess.start(t, { config });
  await warden.ready();
  t.match(await command(warden, 'pause', 'leaky', '--for=4s'), { code: 0, said: /no automatic restarts, until 20\d\d-/ });
  await waitFor('a refusal', async () => (await warden.incidents()).find(({ reason }) => reason === 'paused'));
  t.match(await warden.finishedRestart(), { origin: 'guard', asked: 'rss' });
});

t.test('three restarts that do not help are enough, until there is a new release', async (t) => {
  const file = join(t.testdir(), 'app.mjs');
  copyFileSync(appFile('leaks.mjs'), file);
  // Back at its limit in less than its startup grace, each time.
  const settings = '    restart: { startup_grace: 3s, cooldown: 0s, budget: 100/1h, stop_timeout: 3s }';
  const warden = await WardenProcess.start(t, { config: appWith(settings, 'LEAK_MB_PER_SECOND: "200", LEAK_MB: "150"', file) });
  await warden.ready();
  const ineffective = () => warden.metric('heapwarden_restarts_blocked', { app: 'leaky', refusal: 'ineffective' });
  t.equal(await ineffective(), 0);
  const refusal = await waitFor(
    'a refusal', async () => (await warden.incidents()).find(({ reason }) => reason === 'ineffective'), 60_000,
  );
  t.match(refusal.sentence, /refused, its last 3 restarts did not help/);
  t.equal((await warden.restarts()).length, 3);
  t.equal(await ineffective(), 1);
  t.match(warden.log, /leaky\/0: its last 3 restarts did not help, so it is not restarted any more/);
  await waitFor('a look at what runs', async () => (await warden.restarts())[0]?.outcome?.release, 20_000);
  await never('it is restarted again', async () => (await warden.restarts()).length > 3, 4000);

  writeFileSync(file, `${readFileSync(file, 'utf8')}\n// mended, we hope\n`);
  await waitFor('a fourth restart', async () => (await warden.restarts()).length > 3);
  t.match(warden.log, /leaky: its start command or file has changed, so restarts are tried again/);
});

t.test('outside its windows an app is left alone', async (t) => {
  const opens = (inMinutes: number) => new Date(Date.now() + inMinutes * 60_000);
  const cron = (time: Date) => `${time.getUTCMinutes()} ${time.getUTCHours()} * * *`;
  const windowAt = (inMinutes: number) => `
    time_zone: UTC
    windows: [{ cron: "${cron(opens(inMinutes))}", duration: 5m }]
    restart: { startup_grace: 0s, cooldown: 1m, stop_timeout: 3s }`;
  const warden = await WardenProcess.start(t, { config: appWith(windowAt(60)) });
  await warden.ready();
  const refusal = await waitFor('a refusal', async () => (await warden.incidents()).find(({ reason }) => reason === 'outside_window'));
  t.match(refusal.sentence, /outside its maintenance windows, and the next one opens in (58m|59m|1h)/);
  t.equal(await warden.metric('heapwarden_restarts_blocked', { app: 'leaky', refusal: 'outside_window' }), 1);
  t.strictSame(await warden.restarts(), []);
  WardenProcess.writeConfig(warden.dir, appWith(windowAt(-1)));
  t.equal((await warden.post('/-/reload')).status, 200);
  t.match(await warden.finishedRestart(), { asked: 'rss', origin: 'guard' });
});
