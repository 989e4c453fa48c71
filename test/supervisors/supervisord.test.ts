/** A real supervisord, from Debian. */
import { execFile, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { isAlive, mustIdentify, until } from '../observe/support.js';
import { needParts } from '../parts/index.js';
import { CHILD_APP, reportFolder, reportOf } from './child-support.js';
import { external, runningPids } from './external-support.js';
import { stopFirst } from './options.js';

const signal = new AbortController().signal;
const options = stopFirst({ stopTimeoutMs: 20_000, signal });

interface Supervisord {
  folder: string;
  app: string;
  config: string;
  ctl: string;
}

/** Runs `count` of an app as "shop", and ends with all of them when the test does. */
async function supervisord(t: Test, program: string, count: number): Promise<Supervisord> {
  const folder = await reportFolder(t);
  const app = join(folder, 'server.cjs');
  writeFileSync(app, `require(${JSON.stringify(CHILD_APP)});`);
  const config = join(folder, 'supervisord.conf');
  writeFileSync(
    config,
    `[supervisord]
nodaemon=true
logfile=${folder}/supervisord.log
pidfile=${folder}/supervisord.pid
user=root
[unix_http_server]
file=${folder}/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://${folder}/s.sock
[program:shop]
command=/usr/bin/env -u NODE_OPTIONS ${process.execPath} ${app}
environment=REPORT_DIR="${folder}"
process_name=%(program_name)s_%(process_num)s
numprocs=${count}
startsecs=0
autorestart=true
`.replace(process.getuid?.() === 0 ? '' : 'user=root\n', ''),
  );
  const daemon = spawn(program, ['-c', config], { stdio: 'ignore' });
  const ended = new Promise((resolve) => daemon.once('exit', resolve));
  t.teardown(async () => {
    daemon.kill('SIGTERM');
    await ended;
  });
  return { folder, app, config, ctl: join(dirname(program), 'supervisorctl') };
}

const matchOf = ({ app }: Supervisord) => `^\\S*node ${app.replaceAll('.', '\\.')}$`;

t.test('restarted by supervisorctl', { timeout: 170_000 }, async (t) => {
  const parts = needParts(t, 'supervisord');
  if (!parts) return;
  const shopd = await supervisord(t, parts.supervisord, 1);
  const ctl = [shopd.ctl, '-c', shopd.config];
  const shop = external({ match: matchOf(shopd), restart: [...ctl, 'restart', 'shop:*'], timeout: 60_000 });
  const [pid] = await runningPids(shop);
  await reportOf(shopd.folder, pid!);
  const old = await mustIdentify(pid!);
  const report = await shop.supervisor.restart('0', options);
  t.match(report, { stop: 'exited', goneAt: Number, command: { status: 0, output: 'shop:shop_0: stopped\nshop:shop_0: started' } });
  t.notOk(await isAlive(old));
  t.strictSame(await runningPids(shop), [report.pid]);
  const { stdout } = await promisify(execFile)(shopd.ctl, ['-c', shopd.config, 'pid', 'shop:shop_0']);
  t.equal(Number(stdout), report.pid, 'supervisord says so, too');

  const unknown = external({ match: matchOf(shopd), restart: [...ctl, 'restart', 'nothing'] });
  await t.rejects(unknown.supervisor.restart('0', options), {
    message: 'its restart command ended with status 1: nothing: ERROR (no such process)',
    report: { status: 1 },
  });
});

t.test('several workers, restarted by a signal', { timeout: 170_000 }, async (t) => {
  const parts = needParts(t, 'supervisord');
  if (!parts) return;
  const shopd = await supervisord(t, parts.supervisord, 2);
  const shop = external({ match: matchOf(shopd) });
  const before = await runningPids(shop, 2);
  for (const pid of before) await reportOf(shopd.folder, pid);
  const { stop, pid } = await shop.supervisor.restart('0', options);
  t.equal(stop, 'exited');
  t.strictSame(await runningPids(shop, 2), [pid, before[1]]);
  const log = await until('its log', () => {
    const text = readFileSync(join(shopd.folder, 'supervisord.log'), 'utf8');
    return /exited: shop_\d/.test(text) ? text : null;
  });
  t.equal(log.match(/exited: shop_\d/g)?.length, 1, 'one of the two');
});

t.test('its own pid file names supervisord, which is not the app', { timeout: 170_000 }, async (t) => {
  const parts = needParts(t, 'supervisord');
  if (!parts) return;
  const shopd = await supervisord(t, parts.supervisord, 1);
  const daemon = external({ pid_file: join(shopd.folder, 'supervisord.pid') });
  const [pid] = await runningPids(daemon);
  const [app] = await runningPids(external({ match: matchOf(shopd) }));
  t.not(pid, app);
});
