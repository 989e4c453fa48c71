import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import { describeFailure, runCommand, whyNotStarted } from '../../src/supervisors/external-command.js';
import { commandEnvironment } from '../../src/supervisors/external-env.js';
import { LastLines } from '../../src/supervisors/last-lines.js';
import { plainNode, processes, until } from '../observe/support.js';
import { reportFolder, runningIn } from './child-support.js';

const PATH = process.env['PATH']!;
const run = (argv: string[], { env = {}, timeoutMs = 20_000 } = {}) =>
  runCommand(argv, { env: { PATH, ...env }, timeoutMs, processes, clock: systemClock });
const sh = (script: string, options = {}) => run(['sh', '-c', script], options);

t.test('how it ended', async (t) => {
  const fine = await sh('echo one; echo two >&2');
  t.match(fine, { status: 0, signal: null, timedOut: false, holdsPipe: false });
  t.strictSame(fine.output.split('\n').toSorted(), ['one', 'two']);
  t.equal(describeFailure(fine, 1000), null);
  const failed = await sh('echo no such app; exit 3');
  t.match(failed, { status: 3, signal: null, output: 'no such app' });
  t.equal(describeFailure(failed, 1000), 'ended with status 3: no such app');
  t.equal(describeFailure(await sh('kill -9 $$'), 1000), 'was ended by SIGKILL');
  const missing = await run(['/nonexistent/restart-shop']);
  t.match(missing, { status: null, signal: null, output: 'ENOENT' });
  t.equal(describeFailure(missing, 1000), 'could not be started: ENOENT');
});

t.test('no descriptors left: it could not be started, and neither could a child', { skip: process.platform !== 'linux' }, (t) => {
  const script = fileURLToPath(new URL('../apps/starved-spawn.mts', import.meta.url));
  const [program, ...args] = plainNode('--import', 'tsx', script);
  const starved = spawnSync('sh', ['-c', 'ulimit -n 80 && exec "$@"', 'sh', program, ...args], { encoding: 'utf8' });
  t.equal(starved.stdout, 'command: null EMFILE, child: could not be started: spawn true EMFILE\n', starved.stderr);
  t.end();
});

t.test('no shell', async (t) => {
  const { output } = await run(['printf', '%s|', '$HOME', '; echo x', '*']);
  t.equal(output, '$HOME|; echo x|*|');
});

t.test('one that hangs, and what it has started', async (t) => {
  for (const ignores of ['', "trap '' TERM; "]) {
    const folder = await reportFolder(t);
    const hangs = await sh(`${ignores}echo begun; sleep 1001 & sleep 1002; sleep 1003`, { env: { REPORT_DIR: folder }, timeoutMs: 500 });
    t.match(hangs, { timedOut: true, output: 'begun', holdsPipe: false });
    t.equal(describeFailure(hangs, 500), 'had not ended after 500ms, and was stopped: begun');
    t.ok(hangs.tookMs >= 500 && hangs.tookMs < 15_000, `${hangs.tookMs} ms`);
    await until('nobody left', async () => (await runningIn(folder)).length === 0);
  }
});

t.test('one that hangs while the process table cannot be read', async (t) => {
  let failures = 0;
  const identify: typeof processes.identify = async (pid) => {
    if (failures++ < 3) throw new Error('EMFILE');
    return processes.identify(pid);
  };
  const starved = new Proxy(processes, {
    get(target, key) {
      const known: unknown = key === 'identify' ? identify : Reflect.get(target, key);
      return typeof known === 'function' ? (known.bind(target) as unknown) : known;
    },
  });
  const report = await runCommand(['sleep', '1004'], { env: { PATH }, timeoutMs: 100, processes: starved, clock: systemClock });
  t.match(report, { timedOut: true, signal: 'SIGTERM' });
  t.equal(failures >= 4, true, 'it was asked until it told');
});

t.test('what it leaves running may write on', async (t: Test) => {
  const folder = await reportFolder(t);
  const script = '(sleep 0.5; echo later; echo later; touch "$REPORT_DIR/wrote"; exec sleep 1001) & echo started';
  const report = await sh(script, { env: { REPORT_DIR: folder } });
  t.match(report, { status: 0, output: 'started', holdsPipe: true });
  t.ok(report.tookMs < 15_000, 'nobody waits for it');
  await until('its words', () => existsSync(join(folder, 'wrote')), 20_000);
  t.equal((await runningIn(folder)).length, 1, 'and it lives');
});

t.test('its environment', async (t) => {
  const inherited = { PATH, HOME: '/home/me', XDG_RUNTIME_DIR: '/run/user/1', AWS_SECRET_ACCESS_KEY: 'hush', NODE_OPTIONS: '--x', HEAPWARDEN_TOKEN: 'hush' };
  const subject = { app: 'shop', worker: '1', pid: 4711 };
  const own = { HEAPWARDEN_APP: 'shop', HEAPWARDEN_WORKER: '1', HEAPWARDEN_PID: '4711' };
  const env = commandEnvironment(subject, inherited);
  t.strictSame(env, { PATH, HOME: '/home/me', XDG_RUNTIME_DIR: '/run/user/1', ...own });
  t.notOk('HEAPWARDEN_PID' in commandEnvironment({ ...subject, pid: null }, inherited));
  // What tap adds to every child is longer than what is kept, and of many lines.
  const { output } = await runCommand(['sh', '-c', 'env | grep -e hush -e ^HEAPWARDEN_'], { env, timeoutMs: 20_000, processes, clock: systemClock });
  t.notMatch(output, 'hush');
  t.match(output, 'HEAPWARDEN_PID=4711');
});

t.test('whether it can be started', async (t) => {
  const folder = t.testdir({ restart: '#!/bin/sh\n', bin: {} });
  t.equal(whyNotStarted('sh', { PATH }, 'linux'), null);
  t.equal(whyNotStarted('/bin/sh', {}, 'linux'), null);
  t.equal(whyNotStarted('restart-shop', { PATH }, 'linux'), 'there is no program restart-shop');
  t.equal(whyNotStarted(`${folder}/nothing`, { PATH }, 'linux'), `there is no program ${folder}/nothing`);
  t.equal(whyNotStarted(`${folder}/restart`, { PATH }, 'linux'), `${folder}/restart may not be executed`);
  t.equal(whyNotStarted('restart-shop', {}, 'win32'), null, 'where nobody knows before it is tried');
  t.equal(readFileSync(`${folder}/restart`, 'utf8'), '#!/bin/sh\n');
});

t.test('the last lines', async (t) => {
  const text = (...chunks: (string | Buffer)[]) => {
    const lines = new LastLines();
    for (const chunk of chunks) lines.push(Buffer.from(chunk));
    return lines.text;
  };
  t.equal(text(), '');
  t.equal(text('a\nb', 'c\n\n'), 'a\nbc');
  t.equal(text(Array.from({ length: 99 }, (_, i) => `line ${i}`).join('\n')).split('\n')[0], 'line 89');
  t.equal(text('x'.repeat(1e6)).length, 2000);
  t.equal(text('\x1b[31mred\x1b[0m\r\n\x00\x07bell\tä'), 'red\nbell\tä');
  t.equal(text(Buffer.from('ü').subarray(0, 1), Buffer.from('ü').subarray(1)), 'ü', 'a character in two pieces');
});
