/** The real doctor beside a real warden, a real PM2 and real npm. */
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import type { Finding } from '../../src/commands/doctor/finding.js';
import { needParts } from '../parts/index.js';
import { realPm2 } from '../parts/pm2.js';
import { runPlain } from './plain-node.js';
import { waitFor } from './wait.js';
import { CLI, WardenProcess } from './warden-process.js';
import { killIfThere } from '../parts/kill.js';

const QUIET_NPM = { npm_config_update_notifier: 'false', npm_config_audit: 'false' };

/**
 * A folder with an app that is started by `npm start`, and that writes its pid into the file `up`. Far from this
 * package: an `npm start` that looked further up would find ours, and build it.
 */
function npmApp(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'hw-npm-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'shop', version: '1.0.0', scripts: { start: 'node server.js' } }));
  writeFileSync(join(folder, 'server.js'), `require('fs').writeFileSync('up', String(process.pid)); setInterval(() => {}, 1000);`);
  return folder;
}

interface Report {
  findings: Finding[];
  not_checked: string[];
}

function doctorOf(warden: WardenProcess, env: Record<string, string> = {}) {
  const args = [CLI, 'doctor', `--config.file=${join(warden.dir, 'heapwarden.yml')}`, `--url=${warden.url}`];
  return async (): Promise<Report & { code: number; text: string }> => {
    const [text, json] = [await runPlain(args, { env }), await runPlain([...args, '--json'], { env })];
    return { ...(JSON.parse(json.out) as Report), code: json.code, text: text.out + text.err };
  };
}

const found = ({ findings }: Report, code: string): Finding[] => findings.filter((finding) => finding.code === code);

t.test('an app that PM2 runs through npm start, with a max_memory_restart', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const cwd = npmApp(t);
  const pm2 = await realPm2(t, parts.pm2, QUIET_NPM);
  const ecosystem = join(cwd, 'ecosystem.config.cjs');
  writeFileSync(ecosystem, `module.exports = {
  apps: [{
    name: 'shop',
    script: 'npm',
    args: 'start',
    cwd: __dirname,
    max_memory_restart: '200M',
    cron_restart: '0 4 * * *',
  }],
};\n`);
  await pm2.cli('start', ecosystem);
  await waitFor('npm to have started the app', () => existsSync(join(cwd, 'up')) && readFileSync(join(cwd, 'up'), 'utf8') !== '', 60_000);
  const warden = await WardenProcess.start(t, {
    config: `
apps:
  - name: shop
    supervisor: { pm2: shop }
    limits:
      rss: { restart: 900GB }
    schedule: "0 5 * * *"
`,
    env: { PM2_HOME: pm2.home },
  });
  await warden.ready();
  await waitFor('the worker', () => warden.pid('shop'));
  const doctor = doctorOf(warden, { PM2_HOME: pm2.home });

  const appPid = Number(readFileSync(join(cwd, 'up'), 'utf8'));
  const npmPid = (await pm2.list('shop'))[0]!.pid;
  const check = async () => {
    const report = await doctor();
    t.equal(report.code, 1, report.text);
    const [wrapper] = found(report, 'wrapper');
    t.match(wrapper, {
      app: 'shop',
      severity: 'warning',
      message: new RegExp(`^app "shop": npm (?:and sh )?\\(process ${npmPid}, [\\d.]+ MB in all\\) stands? between PM2 and the app \\(process ${appPid}, node server\\.js\\): `),
      fix: { file: ecosystem, line: 4, text: 'script: "server.js"   (and no args)' },
    });
    t.match(found(report, 'pm2_memory_restart'), [{
      message: `app "shop": PM2's max_memory_restart (210 MB) is held against the wrapper that it measures, and never against the app`,
      fix: { file: ecosystem, line: 7 },
    }]);
    t.match(found(report, 'pm2_cron_restart'), [{ severity: 'problem', fix: { file: ecosystem, line: 8 } }]);
    t.match(found(report, 'limit_above_memory'), [{ message: /^app "shop": limits\.rss\.restart \(900 GB\) is not below /, fix: { file: join(warden.dir, 'heapwarden.yml'), line: 8 } }]);
    t.strictSame(found(report, 'orphan'), []);
    return report;
  };
  const beside = await check();
  t.strictSame(found(beside, 'warden_not_running'), []);
  t.equal(found(beside, 'token_open').length, 0, 'as heapwarden makes it');
  t.match(beside.text, `${ecosystem}:4: script: "server.js"`);

  chmodSync(join(warden.dir, 'token'), 0o644);
  t.match(found(await doctor(), 'token_open'), [{
    severity: 'problem',
    message: `the token file ${join(warden.dir, 'token')} has mode 0644: every user of this machine can restart your apps with it`,
    fix: { file: null, text: `chmod 600 ${join(warden.dir, 'token')}` },
  }]);

  await warden.stop();
  const alone = await check();
  t.equal(found(alone, 'warden_not_running').length, 1, 'without a warden it looks by itself, and says so');
  t.ok(alone.not_checked.includes(`the agents: no heapwarden answers at ${warden.url}`));
});

t.test('a child app started by npm, and one of it that was left behind', async (t) => {
  const cwd = npmApp(t);
  const warden = await WardenProcess.start(t, {
    config: `
apps:
  - name: shop
    supervisor: { child: { command: [npm, start], cwd: ${cwd} } }
`,
    env: QUIET_NPM,
  });
  await warden.ready();
  await waitFor('npm to have started the app', () => existsSync(join(cwd, 'up')) && readFileSync(join(cwd, 'up'), 'utf8') !== '', 60_000);
  const doctor = doctorOf(warden);
  const appPid = Number(readFileSync(join(cwd, 'up'), 'utf8'));
  const first = await doctor();
  t.match(found(first, 'wrapper'), [{
    message: new RegExp(`^app "shop": npm .* between heapwarden and the app \\(process ${appPid}, node server\\.js\\)`),
    fix: { file: join(warden.dir, 'heapwarden.yml'), line: 6, text: 'command: [node, server.js]' },
  }]);
  t.strictSame(found(first, 'orphan'), []);
  t.equal(first.code, 0, `a warning alone is no failure:\n${first.text}`);

  // The shell ends at once: process 1 takes its child in.
  const start = 'env -u NODE_OPTIONS node server.js >/dev/null 2>&1 & echo $!';
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', start], { cwd });
  const orphan = Number(stdout);
  t.teardown(() => killIfThere(orphan));
  await waitFor('the orphan to be up', () => readFileSync(join(cwd, 'up'), 'utf8') === String(orphan));
  const second = await doctor();
  t.equal(second.code, 1);
  t.match(found(second, 'orphan'), [{
    app: 'shop',
    message: `app "shop": process ${orphan} (node server.js) has its folder (${cwd}) and its command line, its parent has ended, and nobody supervises it`,
    fix: { file: null, text: new RegExp(`^kill ${orphan} `) },
  }]);
  process.kill(orphan, 0);
  t.pass('doctor itself ends nothing');
});

const asRoot = process.getuid?.() === 0 ? false : 'takes root, who can become a user without a name';

t.test('for a user without an entry in passwd(5)', { skip: asRoot }, async (t) => {
  const module = new URL('../../dist/commands/doctor/look-services.js', import.meta.url);
  // It becomes that user when all is read: root's own folders are shut to it.
  const script = `import('${module}').then(async ({ lookAtServices }) => {
    process.setuid(12345);
    const app = { name: 'shop', supervisor: { pm2: 'shop' } };
    console.log(JSON.stringify([await lookAtServices([]), await lookAtServices([{ app, workers: [] }])]));
  })`;
  const { code, out, err } = await runPlain(['-e', script], { env: { HOME: '/' } });
  t.strictSame([code, out.trim(), err], [0, '[[],[]]', '']);
});

t.test('a config that is wrong', async (t) => {
  const file = join(t.testdir({ 'heapwarden.yml': 'triger: both\napps: []\n' }), 'heapwarden.yml');
  const { code, out } = await runPlain([CLI, 'doctor', `--config.file=${file}`]);
  t.equal(code, 1);
  t.match(out, `→ ${file}:1: triger: both`);
  t.match(out, 'not checked: everything else: it takes a valid config');
  t.match(await runPlain([CLI, 'doctor', 'shop']), { code: 2, err: /^heapwarden: what is "shop" for\?/ });
});
