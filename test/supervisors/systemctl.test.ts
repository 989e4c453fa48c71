/** What is read of systemd, from outputs recorded of version 252; a real one answers in systemd.test.ts. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { processesIn } from '../../src/supervisors/cgroup.js';
import { Systemctl } from '../../src/supervisors/systemctl.js';
import { parseEntry } from '../../src/supervisors/systemd-journal.js';
import { parseTimeSpan, parseUnits, stateOf, unitRef, type Unit } from '../../src/supervisors/systemd-unit.js';

const block = (properties: Record<string, string>) => Object.entries(properties).map(([key, value]) => `${key}=${value}\n`).join('');
const RUNNING = {
  Type: 'simple', Restart: 'no', TimeoutStartUSec: '1min 30s', TimeoutStopUSec: '1min 30s', MainPID: '55',
  Result: 'success', NRestarts: '0', ExecMainExitTimestampMonotonic: '0', ControlGroup: '/system.slice/shop.service',
  Id: 'shop.service', Names: 'store.service shop.service', LoadState: 'loaded', ActiveState: 'active', SubState: 'running',
};
const CRASHED = {
  ...RUNNING, Restart: 'on-failure', MainPID: '0', Result: 'exit-code', NRestarts: '5',
  ExecMainExitTimestampMonotonic: '25446172125', ControlGroup: '', Id: 'crash.service', Names: 'crash.service',
  ActiveState: 'failed', SubState: 'failed',
};

t.test('units', async (t) => {
  const [running, crashed, ...rest] = parseUnits(`${block(RUNNING)}\n${block(CRASHED)}\n${block({ Id: 'x.timer' })}`);
  t.strictSame(rest, [], 'services alone');
  t.match(running, {
    id: 'shop.service', names: ['shop.service', 'store.service', 'shop.service'], mainPid: 55, restarts: 0,
    controlGroup: '/system.slice/shop.service', stopTimeoutMs: 90_000, startTimeoutMs: 90_000, exitedAtUs: 0,
  });
  t.match(crashed, { id: 'crash.service', mainPid: null, controlGroup: null, result: 'exit-code', exitedAtUs: 25_446_172_125 });
});

t.test('states', async (t) => {
  const [unit] = parseUnits(block(RUNNING));
  const state = (changes: Partial<Unit>) => stateOf({ ...unit!, ...changes });
  t.equal(state({}), 'running');
  t.equal(state({ activeState: 'reloading' }), 'running');
  t.equal(state({ activeState: 'activating' }), 'starting');
  t.equal(state({ activeState: 'deactivating' }), 'stopped');
  t.equal(state({ activeState: 'inactive' }), 'stopped');
  t.equal(state({ activeState: 'failed', restarts: 0, restart: 'always' }), 'stopped', 'it failed once, and nobody tries again');
  t.equal(state({ activeState: 'failed', restarts: 5, restart: 'no' }), 'stopped');
  t.equal(state({ activeState: 'failed', restarts: 5, restart: 'always' }), 'crash_loop');
  t.equal(state({ activeState: 'failed', result: 'start-limit-hit' }), 'crash_loop');
});

t.test('spans of time: systemd.time(7)', async (t) => {
  const cases = [['1min 30s', 90_000], ['500ms', 500], ['1h', 3_600_000], ['2d 5us', 172_800_000.005], ['1.5s', 1500], ['0', 0]] as const;
  for (const [text, ms] of cases) t.equal(parseTimeSpan(text), ms, text);
  t.equal(parseTimeSpan('infinity'), Infinity);
  t.equal(parseTimeSpan(''), Infinity, 'a property that an older systemd has not');
});

t.test('names', async (t) => {
  t.strictSame(unitRef('shop'), { name: 'shop.service', user: false });
  t.strictSame(unitRef('shop@*.service'), { name: 'shop@*.service', user: false });
  t.strictSame(unitRef({ unit: 'shop', user: true }), { name: 'shop.service', user: true });
});

t.test('an entry of the journal', async (t) => {
  const entry = { UNIT_RESULT: 'oom-kill', __REALTIME_TIMESTAMP: '1763708569123456', MESSAGE: "shop.service: Failed with result 'oom-kill'." };
  t.strictSame(parseEntry(JSON.stringify(entry)), { result: 'oom-kill', atMs: 1_763_708_569_123.456 });
  for (const line of ['', 'No entries', '{}', '{"UNIT_RESULT":["a"]}']) t.equal(parseEntry(line), null, line);
});

t.test('the processes of a control group, on every kind of machine', async (t) => {
  const group = { 'cgroup.procs': '7\n8\n', inner: { 'cgroup.procs': '9\n', deeper: { 'cgroup.procs': '0\n10\n' } } };
  const dir = t.testdir({ all: {}, hybrid: { 'system.slice': { 'shop.service': group } } });
  const trees = [join(dir, 'all'), join(dir, 'hybrid')];
  t.strictSame(await processesIn('/system.slice/shop.service', trees), [7, 8, 9, 10]);
  t.strictSame(await processesIn('/system.slice/gone.service', trees), []);
});

/** A program that does what `script` says, and keeps how it was called. */
function fake(t: Test, script: string): { program: string; calls: () => string[] } {
  const dir = t.testdir();
  const [program, calls] = [join(dir, 'systemctl'), join(dir, 'calls')];
  writeFileSync(program, `#!/bin/sh\necho "$@" >> ${calls}\n${script}\n`);
  chmodSync(program, 0o755);
  return { program, calls: () => readFileSync(calls, 'utf8').trim().split('\n') };
}

t.test('who asks in the same turn shares a call', async (t) => {
  const instance = (id: string) => block({ ...RUNNING, Id: id, Names: id });
  const output = [block(RUNNING), block(CRASHED), instance('many@1.service'), instance('many@2.service')].join('\n');
  const { program, calls } = fake(t, `cat <<'END'\n${output}END`);
  const systemctl = new Systemctl({ user: true, program });
  const names = ['shop.service', 'crash.service', 'many@*.service', 'shop.service', 'store.service'] as const;
  const found = await Promise.all(names.map((name) => systemctl.show(name)));
  const ids = found.map((units) => units.map(({ id }) => id));
  t.strictSame(ids, [['shop.service'], ['crash.service'], ['many@1.service', 'many@2.service'], ['shop.service'], ['shop.service']]);
  t.match(calls(), [/^--user --no-pager --no-ask-password show --property=Id,.* -- shop\.service crash\.service many@\*\.service store\.service$/]);
  await systemctl.show('shop.service');
  t.equal(calls().length, 2, 'and who asks later is not told what was before');
});

t.test('a machine that systemd does not run', async (t) => {
  const said = "System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down";
  const { program } = fake(t, `echo "${said}" >&2; exit 1`);
  const message = /^systemd does not answer \(System has not been booted with systemd.*\); is this machine run by systemd/;
  await t.rejects(new Systemctl({ user: false, program }).show('shop.service'), { code: 'SUPERVISOR_UNREACHABLE', message });
});

t.test('one that answers too late, and one that nobody waits for any more', async (t) => {
  const { program } = fake(t, 'exec sleep 100');
  const systemctl = new Systemctl({ user: false, program, timeoutMs: 300 });
  await t.rejects(systemctl.show('shop.service'), { code: 'SUPERVISOR_UNREACHABLE', message: /no answer to "show" within 0\.3 s/ });
  const abort = new AbortController();
  const restart = systemctl.restart('shop.service', 60_000, abort.signal);
  const reason = new Error('heapwarden closes');
  setTimeout(() => abort.abort(reason), 100);
  await t.rejects(restart, reason);
});

/** What comes of a restart at which systemctl says this and fails. */
const restartSaying = (t: Test) => (said: string) =>
  new Systemctl({ user: false, program: fake(t, `echo "${said}" >&2; exit 1`).program }).restart('shop.service', 5000, new AbortController().signal);

t.test('a job that did not succeed', async (t) => {
  const restart = restartSaying(t);
  const failed = 'Job for shop.service failed because the control process exited with error code';
  t.equal(await restart(`${failed}.\nSee \\"systemctl status shop.service\\" for details.`), failed, 'it is told, being no refusal');
  for (const end of ['Job for shop.service canceled', 'Job for shop.service timed out', 'Assertion failed on job for shop.service']) {
    t.equal(await restart(`${end}.`), end, 'the old process may have been stopped');
  }
});

t.test("a warning that the unit's file has changed on disk is not the answer", async (t) => {
  const changed = 'The unit file, source configuration file or drop-ins of shop.service changed on disk';
  const warning = `Warning: ${changed}. Run 'systemctl daemon-reload' to reload units.`;
  const restart = restartSaying(t);
  const failed = 'Job for shop.service failed because a timeout was exceeded';
  t.equal(await restart(`${warning}\n${failed}.`), failed);
  const refusal = 'Failed to restart shop.service: Unit shop.service is masked';
  await t.rejects(restart(`${warning}\n${refusal}.`), { code: 'SUPERVISOR_REFUSED', message: new RegExp(`^systemd refuses: ${refusal}; `) });
});
