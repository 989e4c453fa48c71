/** Runs beside a systemd of its own: see systemd.test.ts. */
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { NOT_DRAINED } from '../../src/supervisors/drain.js';
import { waitFor } from '../integration/wait.js';
import { stopFirst } from './options.js';
import { APP, HEAPWARDEN, processes, run, STRANGER, supervise, systemctl, systemctlAs, writeUnits } from './systemd-units.js';

const signal = new AbortController().signal;
const options = stopFirst({ stopTimeoutMs: 10_000, signal });

t.test('a simple unit', async (t) => {
  writeUnits({ 'simple.service': `ExecStart=${APP}` });
  const { supervisor, log } = supervise('simple.service');
  await supervisor.start();
  t.strictSame(await supervisor.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
  systemctl('start', 'simple');
  const [slot] = await supervisor.slots();
  t.same(slot, { worker: '0', pid: Number(systemctl('show', '-P', 'MainPID', 'simple')), state: 'running' });
  const old = (await processes.identify(slot!.pid!))!;

  const report = await supervisor.restart('0', options);
  const [after] = await supervisor.slots();
  t.match(report, { stop: 'exited', pid: after!.pid, goneAt: Number, ready: null });
  t.not(after!.pid, old.pid);
  t.equal(await processes.identify(old.pid), null, 'the old process has gone');
  await t.rejects(supervisor.restart('1', options), { code: 'UNKNOWN_WORKER' });

  systemctl('stop', 'simple');
  t.strictSame(await supervisor.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
  t.match(await supervisor.restart('0', options), { stop: 'gone', goneAt: null, ready: null, pid: Number }, 'a stopped one is started');
  t.equal((await supervisor.slots())[0]!.state, 'running');
  t.strictSame([log.warnings, log.errors, supervisor.lastDeath('0')], [[], [], null], 'nothing of it was a death');
});

t.test('processes that have left their parent belong to the worker', async (t) => {
  writeUnits({ 'daemon.service': `Environment=DAEMON=1\nExecStart=${APP}` });
  systemctl('start', 'daemon');
  const { supervisor } = supervise('daemon.service');
  const slot = await waitFor('the daemon', async () => (await supervisor.slots()).find(({ others }) => others?.length === 1));
  const [orphan] = slot.others!;
  t.equal(readFileSync(`/proc/${orphan}/comm`, 'utf8').trim(), 'sleep');
  t.notOk((await processes.tree((await processes.identify(slot.pid!))!)).some(({ pid }) => pid === orphan));
});

t.test('a unit that tells when it is ready', async (t) => {
  const unit = `Type=notify\nNotifyAccess=all\nExecStart=${APP}\n`;
  writeUnits({
    'notify.service': `${unit}Environment=READY_MS=1500`,
    'silent.service': `${unit}TimeoutStartSec=1`,
  });
  const { supervisor } = supervise('notify.service');
  systemctl('start', '--no-block', 'notify');
  await waitFor('it to start', async () => (await supervisor.slots())[0]!.pid !== null);
  t.equal((await supervisor.slots())[0]!.state, 'starting');
  await waitFor('it to be ready', async () => (await supervisor.slots())[0]!.state === 'running');

  const asked: number[] = [];
  const askedAt = Date.now();
  const report = await supervisor.restart('0', { ...options, isReady: async ({ process: { pid } }) => asked.push(pid) > 0 });
  t.ok(Date.now() - askedAt >= 1500, 'it was waited for');
  t.match(report, { stop: 'exited', ready: true });
  t.strictSame(asked, [report.pid], "the config's own check comes after the unit's word");
  t.match(await supervisor.restart('0', { ...options, isReady: async () => false }), { ready: false }, 'and can say no');

  const silent = supervise('silent.service');
  const failed = await silent.supervisor.restart('0', options);
  t.match(failed, { stop: 'gone', ready: false });
  t.match(silent.log.warnings, [/^app: silent\.service did not come up again: Job for silent\.service failed because a timeout/]);
});

t.test("the unit's own TimeoutStopSec= says when it is killed", async (t) => {
  writeUnits({ 'deaf.service': `TimeoutStopSec=1\nEnvironment=DEAF=1\nExecStart=${APP}` });
  systemctl('start', 'deaf');
  await sleep(500); // until it has its handler
  const { supervisor } = supervise('deaf.service');
  const report = await supervisor.restart('0', stopFirst({ stopTimeoutMs: 60_000, signal }));
  t.match(report, { stop: 'killed', ready: null });
});

t.test('a graceful restart lets the agent finish its requests first', async (t) => {
  systemctl('start', 'simple');
  const drained: { pid: number; ms: number }[] = [];
  const drain = async ({ pid }: { pid: number }, ms: number) => ({ complete: drained.push({ pid, ms }) > 0, deaf: false });
  const { supervisor } = supervise('simple.service', { drain });
  const [{ pid } = { pid: null }] = await supervisor.slots();
  await supervisor.restart('0', { ...options, mode: 'graceful' });
  t.strictSame(drained, [{ pid, ms: 5000 }]);
  await supervisor.restart('0', options);
  t.equal(drained.length, 1, 'stop_first does not wait');
  const refused = supervise('simple.service', { drain, program: systemctlAs(STRANGER) }).supervisor;
  await t.rejects(refused.restart('0', { ...options, mode: 'graceful' }), { code: 'SUPERVISOR_REFUSED' });
  t.equal(drained.length, 1, 'nor is a process drained for a restart that is refused');

  const closing = new AbortController();
  const whileClosing = async () => (closing.abort(), sleep(60_000, NOT_DRAINED, { ref: false }));
  const closed = supervise('simple.service', { drain: whileClosing }).supervisor;
  const [deaf] = await closed.slots();
  const report = await closed.restart('0', { ...options, mode: 'graceful', signal: closing.signal });
  t.match(report, { stop: 'exited', pid: Number });
  t.not(report.pid, deaf!.pid, 'one that was drained is replaced though heapwarden closes');
});

t.test('all instances of a template', async (t) => {
  writeUnits({ 'many@.service': `ExecStart=${APP}` });
  const { supervisor } = supervise('many@*.service');
  t.strictSame(await supervisor.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
  await t.rejects(supervisor.restart('0', options), { code: 'SUPERVISOR_REFUSED', message: /no unit many@\*\.service in memory/ });
  systemctl('start', 'many@10', 'many@2', 'many@1');
  const pidOf = (instance: number) => Number(systemctl('show', '-P', 'MainPID', `many@${instance}`));
  const running = (...instances: number[]) => instances.map(pidOf);
  const pids = async () => (await supervisor.slots()).map(({ worker, pid }) => [worker, pid]);
  const [one, two, ten] = running(1, 2, 10);
  t.strictSame(await pids(), [['0', one], ['1', two], ['2', ten]], 'by number, not by letter');
  const report = await supervisor.restart('1', options);
  t.strictSame(await pids(), [['0', one], ['1', report.pid], ['2', ten]], 'the others are the same processes');
  systemctl('stop', 'many@1');
  t.strictSame(await pids(), [['1', report.pid], ['2', ten]], 'those that stay keep their slots');
  systemctl('start', 'many@7');
  t.strictSame(await pids(), [['0', pidOf(7)], ['1', report.pid], ['2', ten]]);
});

t.test('a crash loop', async (t) => {
  writeUnits({ 'loop.service': `Restart=on-failure\nRestartSec=50ms\nEnvironment=EXIT=3 EXIT_MS=0\nExecStart=${APP}` });
  const { supervisor, log } = supervise('loop.service');
  systemctl('start', 'loop');
  await waitFor('systemd to give up', async () => (await supervisor.slots())[0]!.state === 'crash_loop');
  t.strictSame(await supervisor.slots(), [{ worker: '0', pid: null, state: 'crash_loop' }]);
  t.equal(supervisor.lastDeath('0')?.detail, 'systemd says Result=exit-code');
  t.match(log.warnings.at(-1), /^app\/0: loop\.service ended with an exit status other than 0: systemd says Result=exit-code, at 20/);
  writeUnits({ 'loop.service': `Restart=on-failure\nExecStart=${APP}` });
  t.match(await supervisor.restart('0', options), { stop: 'gone' });
  t.equal((await supervisor.slots())[0]!.state, 'running', 'a restart ends it');
});

t.test('restarts of ours are never the one too many', async (t) => {
  const unit = `[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=2\n[Service]\nExecStart=${APP}\n`;
  writeUnits({ 'limited.service': unit });
  systemctl('start', 'limited');
  const { supervisor } = supervise('limited.service');
  for (let i = 0; i < 4; i++) t.match(await supervisor.restart('0', options), { stop: 'exited', ready: null });
  t.equal((await supervisor.slots())[0]!.state, 'running');
  systemctl('restart', 'limited');
  t.throws(() => systemctl('restart', 'limited'), /attempted too often/, 'whereas by hand the next is refused, and leaves it stopped');
  t.strictSame(await supervisor.slots(), [{ worker: '0', pid: null, state: 'crash_loop' }], 'start-limit-hit');
});

t.test('deaths are told once, seen or not', async (t) => {
  const unit = `Restart=always\nEnvironment=EXIT=7 EXIT_MS=1500\nExecStart=${APP}\n`;
  writeUnits({ 'slow.service': `${unit}RestartSec=3`, 'fast.service': `${unit}RestartSec=0` });
  const [slow, fast] = [supervise('slow.service'), supervise('fast.service')];
  systemctl('start', 'slow', 'fast');
  const first = Date.now();
  const [before] = await fast.supervisor.slots();
  await slow.supervisor.slots();
  const waiting = await waitFor('systemd to wait', async () => (await slow.supervisor.slots()).find(({ pid }) => pid === null));
  t.equal(waiting.state, 'starting');
  await waitFor('the next process', async () => (await slow.supervisor.slots())[0]!.pid);
  t.equal(slow.log.warnings.length, 1, 'not once more when systemd counts the start');
  t.equal(slow.supervisor.lastDeath('0')?.detail, 'systemd says Result=exit-code');

  // Long after systemd has forgotten the Result= of the one before.
  const [after] = await fast.supervisor.slots();
  t.not(after!.pid, before!.pid);
  const death = fast.supervisor.lastDeath('0');
  t.equal(death?.detail, 'systemd says Result=exit-code', 'the journal knows');
  t.ok(death!.atMs > first && death!.atMs <= Date.now(), 'and when it was');
});

t.test('without a right to the journal, a death is told all the same', async (t) => {
  writeUnits({ 'blind.service': `Restart=always\nRestartSec=0\nExecStart=${APP}` });
  const { supervisor, log } = supervise('blind.service', { lastFailure: async () => null });
  systemctl('start', 'blind');
  const [{ pid } = { pid: null }] = await supervisor.slots();
  process.kill(pid!, 'SIGKILL');
  await waitFor('the next one', async () => (await supervisor.slots()).some((slot) => slot.pid !== null && slot.pid !== pid));
  await waitFor('a word', async () => (await supervisor.slots()) && log.warnings.length > 0);
  const seen = /ended by a signal/.test(log.warnings[0]!);
  t.match(log.warnings[0], seen ? /Result=signal/ : /^app\/0: systemd has started blind\.service again, and the journal/);
});

t.test('killed for want of memory', async (t) => {
  // This machine's memory controller may belong to cgroup v1, where systemd never says oom-kill. So the kill comes in the
  // way of systemd-oomd, which systemd tells apart by the attribute that it leaves: oomd-manager.c, oomd-util.c.
  writeUnits({ 'hungry.service': `ExecStart=${APP}` });
  systemctl('start', 'hungry');
  const { supervisor, log } = supervise('hungry.service');
  await supervisor.slots();
  const group = '/sys/fs/cgroup/system.slice/hungry.service';
  for (const [name, count] of [['user.oomd_ooms', '1'], ['user.oomd_kill', '1']] as const) {
    run('python3', '-c', `import os; os.setxattr(${JSON.stringify(group)}, ${JSON.stringify(name)}, b"${count}")`);
  }
  writeFileSync(`${group}/cgroup.kill`, '1');
  await waitFor('it to fail', async () => (await supervisor.slots())[0]!.state === 'stopped');
  t.equal(systemctl('show', '-P', 'Result', 'hungry').trim(), 'oom-kill', "systemd's own word");
  t.equal(supervisor.lastDeath('0')?.cause, 'oom_kernel');
  t.match(log.warnings, [/hungry\.service was killed for want of memory/]);
});

t.test('units that cannot be restarted', async (t) => {
  writeUnits({ 'wrong.service': '[Service]\nType=nonsense\n' });
  symlinkSync('/dev/null', '/run/units/hidden.service');
  const cases = [
    ['nowhere.service', /^systemd has no unit nowhere\.service; "systemctl list-units/],
    ['hidden.service', /^hidden\.service is masked, so systemd does not start it; "systemctl unmask hidden\.service"/],
    ['wrong.service', /^systemd could not load wrong\.service \(bad-setting\); "systemd-analyze verify wrong\.service"/],
  ] as const;
  for (const [name, message] of cases) {
    const { supervisor, log } = supervise(name);
    await supervisor.start();
    t.match(log.warnings, [message]);
    t.strictSame(await supervisor.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
    await t.rejects(supervisor.restart('0', options), { code: 'SUPERVISOR_REFUSED', message });
  }
});

t.test('a user without rights', async (t) => {
  systemctl('start', 'simple', 'notify', 'polkit');
  const [heapwarden, stranger] = [systemctlAs(HEAPWARDEN), systemctlAs(STRANGER)];
  const restart = (name: 'simple.service' | 'notify.service', program: string) => supervise(name, { program }).supervisor.restart('0', options);
  const refusal = (said: string) => ({
    code: 'SUPERVISOR_REFUSED',
    message: new RegExp(`^systemd refuses: Failed to .*simple\\.service: ${said}; user \\d+ has no right to it: install deploy/polkit/50-heapwarden\\.rules .* name simple\\.service in it`),
  });
  t.match(await supervise('simple.service', { program: stranger }).supervisor.slots(), [{ state: 'running' }], 'may look');
  await t.rejects(restart('simple.service', heapwarden), refusal('Interactive authentication required'), 'polkit without a rule');

  const rules = readFileSync('deploy/polkit/50-heapwarden.rules', 'utf8');
  writeFileSync('/etc/polkit-1/rules.d/50-heapwarden.rules', rules.replace("['shop.service']", "['simple.service']"));
  await waitFor('polkit to read the rule', () => restart('simple.service', heapwarden).then(() => true, () => false));
  t.match(await restart('simple.service', heapwarden), { stop: 'exited' }, 'the shipped rule suffices');
  await t.rejects(restart('notify.service', heapwarden), { code: 'SUPERVISOR_REFUSED' }, 'for the units that it names alone');
  await t.rejects(restart('simple.service', stranger), refusal('Interactive authentication required'), 'and for its user');
  for (const verb of ['stop', 'start', 'kill', 'mask']) t.throws(() => run(heapwarden, verb, 'simple.service'), `and not for ${verb}`);
  t.equal((await supervise('simple.service').supervisor.slots())[0]!.state, 'running');

  systemctl('stop', 'polkit');
  rmSync('/run/units/polkit.service');
  systemctl('daemon-reload');
  await t.rejects(restart('simple.service', heapwarden), refusal('Access denied'), 'no polkit at all');
});

t.test('a unit of a user', async (t) => {
  const home = '/run/user-7310';
  const manager = '/usr/lib/systemd/systemd --user';
  const env = `HOME=${home} XDG_RUNTIME_DIR=${home} SYSTEMD_UNIT_PATH=${home}/units`;
  const program = systemctlAs(HEAPWARDEN, env);
  const { supervisor } = supervise('mine.service', { user: true, program });
  await t.rejects(supervisor.slots(), { code: 'SUPERVISOR_UNREACHABLE', message: /^systemd does not answer \(Failed to connect to bus.*loginctl enable-linger/ });
  run('install', '-d', '-o', 'heapwarden', '-m', '700', home, `${home}/units`);
  writeFileSync(`${home}/units/mine.service`, `[Service]\nExecStart=${APP}\n`);
  for (const target of ['default', 'basic', 'shutdown']) writeFileSync(`${home}/units/${target}.target`, '[Unit]\n');
  run('chown', '-R', 'heapwarden', home);
  writeUnits({ 'manager.service': `Type=notify\nUser=heapwarden\nDelegate=yes\nEnvironment=${env}\nExecStart=${manager}` });
  systemctl('start', 'manager');
  run(program, '--user', 'start', 'mine');
  const [before] = await supervisor.slots();
  t.equal(before!.state, 'running');
  t.match(readFileSync(`/proc/${before!.pid}/cgroup`, 'utf8'), /manager\.service\/app\.slice\/mine\.service/);
  const report = await supervisor.restart('0', options);
  t.match(report, { stop: 'exited', pid: Number });
  t.not(report.pid, before!.pid);
});

t.test('systemd that does not run', async (t) => {
  const { supervisor, log } = supervise('simple.service', { program: '/nowhere/systemctl' });
  await supervisor.start();
  t.match(log.warnings, [/^systemd does not answer \(\/nowhere\/systemctl cannot be run, ENOENT\); is this machine run by systemd/]);
  await t.rejects(supervisor.slots(), { code: 'SUPERVISOR_UNREACHABLE' });
});

t.test('nothing of the machine is to be seen here', async (t) => {
  t.notOk(readdirSync('/tmp').some((name) => name.startsWith('bash_jobs')), 'a /tmp of its own');
  t.throws(() => writeFileSync('/usr/heapwarden-test', ''), { code: 'EROFS' });
});
