/** The warden itself, its files, the clock, the config's own notices. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { judgeClock, offsetOf, type ClockFacts } from '../../../src/commands/doctor/clock.js';
import { judgeAccess, type FileFacts } from '../../../src/commands/doctor/files.js';
import { lookAtClock } from '../../../src/commands/doctor/look-clock.js';
import { lookAtAlerts, lookAtStateDir, lookAtToken } from '../../../src/commands/doctor/look-files.js';
import { judgeNotices } from '../../../src/commands/doctor/notices.js';
import { linesOf } from '../../../src/commands/doctor/report.js';
import { judgeWarden, type WardenFacts } from '../../../src/commands/doctor/warden.js';
import { codes, says, written } from './support.js';

t.test('the warden', async (t) => {
  const url = 'http://127.0.0.1:9973';
  const judge = (more: Partial<WardenFacts>) =>
    judgeWarden({ url, managed: { value: ['shop'] }, configured: ['shop'], stateDir: '/s', holder: 7, socket: '/s/a.sock', socketAnswers: true, ...more });
  says(t, judge({}), []);
  says(t, judge({ managed: { why: 'ECONNREFUSED' }, holder: null }), [
    `warning  no heapwarden runs with this config: nobody watches the apps (nothing answers at ${url}: ECONNREFUSED) [warden_not_running]`,
    '         → heapwarden serve',
  ]);
  says(t, judge({ managed: { why: 'ECONNREFUSED' } }), [
    `problem  a heapwarden (process 7) uses the state folder /s, and none answers at ${url} (ECONNREFUSED) [warden_unreachable]`,
    '         → name its address: heapwarden doctor --url=URL',
  ]);
  says(t, judge({ configured: ['api'] }), [
    `warning  the heapwarden at ${url} runs with another config than this file: app "api" is unknown to it, app "shop" is not in the file [config_not_loaded]`,
    '         → kill -HUP 7   (it reads the file again)',
  ]);
  says(t, judge({ holder: null, socketAnswers: false }), [
    `warning  the heapwarden at ${url} runs with another config than this file: it does not use the state folder /s [config_not_loaded]`,
    '         → name its config with --config.file, or its address with --url',
  ]);
  says(t, judge({ socketAnswers: false }), [
    'problem  nobody answers on the agent socket /s/a.sock: no agent that starts now can report in [agent_socket_silent]',
    '         → start heapwarden again: it makes the socket anew',
  ]);
});

t.test('the token and the state folder', async (t) => {
  const good = { path: '/s/token', mode: 0o600, defect: null };
  const folder = { path: '/a folder', mode: 0o700, defect: null };
  const judge = (token: Partial<FileFacts>, state: Partial<FileFacts> = {}, isInUse = true, platform: NodeJS.Platform = 'linux') =>
    judgeAccess({ platform, token: { ...good, ...token }, state: { ...folder, ...state }, isInUse });
  says(t, judge({}), []);
  says(t, judge({ mode: 0o644 }), [
    'problem  the token file /s/token has mode 0644: every user of this machine can restart your apps with it [token_open]',
    '         → chmod 600 /s/token',
  ]);
  t.match(judge({ mode: 0o640 }).findings, [{ message: /mode 0640: every member of its group can restart/ }]);
  says(t, judge({ defect: 'this user may not read it' }), [
    'problem  the token file /s/token cannot be used: this user may not read it [token_unusable]',
    '         → run it as the user who runs heapwarden, or: chown "$USER" /s/token',
  ]);
  says(t, judge({ mode: null }), [
    'problem  the token file /s/token is gone: restarts, pauses and alerts are refused [token_unusable]',
    '         → start heapwarden again: it makes a new one',
  ]);
  says(t, judge({ mode: null }, { mode: null }, false), [], 'before the first start');
  says(t, judge({}, { mode: 0o755 }), [
    'warning  the state folder /a folder has mode 0755: every user of this machine can look into it, and evidence of your apps is kept there [state_open]',
    "         → chmod 700 '/a folder'",
  ]);
  says(t, judge({}, { defect: 'it is a file' }), [
    'problem  the state folder /a folder cannot be used: it is a file [state_unwritable]',
    '         → chown "$USER" \'/a folder\', or set state_dir in the config',
  ]);
  says(t, judge({ mode: 0o666 }, { mode: 0o777 }, true, 'win32'), [
    'not checked: who else may read the token and the state folder: Windows has no permission bits',
  ]);
});

t.test('on the disk', async (t) => {
  const dir = t.testdir({ token: 'secret\n', empty: '', folder: {}, state: {} });
  chmodSync(join(dir, 'token'), 0o644);
  t.strictSame(await lookAtToken(join(dir, 'token')), { path: join(dir, 'token'), mode: 0o644, defect: null });
  t.match(await lookAtToken(join(dir, 'empty')), { defect: 'it is empty; delete it, and the next start makes a new one' });
  t.match(await lookAtToken(join(dir, 'folder')), { defect: 'it is a folder' });
  t.match(await lookAtToken(join(dir, 'none')), { mode: null, defect: null });
  t.match(await lookAtStateDir(join(dir, 'state')), { mode: Number, defect: null });
  t.match(await lookAtStateDir(join(dir, 'to/be/made')), { mode: null, defect: null });
  t.match(await lookAtStateDir(join(dir, 'token')), { defect: `${join(dir, 'token')} is no folder` });
  t.match(await lookAtStateDir(join(dir, 'token/below')), { mode: null, defect: /ENOTDIR/ });
  if (process.getuid?.() !== 0) {
    chmodSync(join(dir, 'state'), 0o500);
    t.match(await lookAtStateDir(join(dir, 'state')), { defect: `this user may not write in ${join(dir, 'state')}` });
  }
});

t.test('the clock', async (t) => {
  const judge = (more: Partial<ClockFacts>) =>
    judgeClock({ trigger: 'both', synchronized: { value: true }, peers: [], alertAheadMs: { value: null }, ...more });
  const peer = (aheadMs: number, errorMs = 510) => [{ name: 'Prometheus' as const, url: 'http://p:9090', flag: '--prometheus.url=URL', offset: { value: { aheadMs, errorMs } } }];
  const harm = 'an alert is refused as already_restarted where it looks older than the process, and taken for new where it looks younger';
  const fix = '         → timedatectl set-ntp true   (or run chrony), on both machines';
  says(t, judge({}), []);
  says(t, judge({ peers: peer(2500) }), [], 'within what could be measured');
  says(t, judge({ peers: peer(30_000) }), [`problem  the clock of Prometheus at http://p:9090 is 30 s ahead of this machine's: ${harm} [clock_skew]`, fix]);
  says(t, judge({ peers: peer(-90_000), trigger: 'embedded' }), [`warning  the clock of Prometheus at http://p:9090 is 1m30s behind this machine's: ${harm} [clock_skew]`, fix]);
  says(t, judge({ alertAheadMs: { value: -5000 } }), [], 'an alert comes after it began');
  says(t, judge({ alertAheadMs: { value: 8000 } }), [
    `problem  an alert came 8.0 s before it began, by its own time: the clock of Prometheus is ahead of this machine's: ${harm} [clock_skew]`, fix,
  ]);
  says(t, judge({ synchronized: { value: false } }), [
    'warning  the clock of this machine is not synchronized (timedatectl): sooner or later its times differ from those of Prometheus [clock_unsynchronized]', fix,
  ]);
  says(t, judge({ synchronized: { why: 'there is no timedatectl' }, alertAheadMs: { why: 'EACCES' }, peers: [{ ...peer(0)[0]!, offset: { why: 'nothing answers' } }] }), [
    'not checked: whether the clock is synchronized: there is no timedatectl',
    'not checked: the clock of Prometheus: nothing answers; name it with --prometheus.url=URL',
    'not checked: the times of the alerts on record: EACCES',
  ]);
  const date = 'Sat, 21 Nov 2026 07:00:10 GMT';
  const atMs = Date.UTC(2026, 10, 21, 7, 0, 10);
  t.strictSame(offsetOf(date, atMs + 400, atMs + 600), { aheadMs: 0, errorMs: 600 });
  t.strictSame(offsetOf(date, atMs - 20_000, atMs - 20_000), { aheadMs: 20_500, errorMs: 500 });
  for (const none of [null, '', 'soon']) t.equal(offsetOf(none, 0, 0), null);
});

t.test('of a real server', async (t) => {
  const server = createServer((_request, response) => {
    response.sendDate = false;
    response.setHeader('Date', new Date(Date.now() + 3_600_000).toUTCString());
    response.end('Prometheus Server is Healthy.\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { config } = written('trigger: embedded\n');
  const { peers } = await lookAtClock({ ...config, state_dir: t.testdir() }, { prometheusUrl: url, alertmanagerUrl: null });
  t.match(peers, [{ name: 'Prometheus', url }]);
  t.equal(peers.length, 1, 'with trigger: embedded only the one that was named');
  const [{ offset }] = peers as unknown as [{ offset: { value: { aheadMs: number; errorMs: number } } }];
  t.ok(Math.abs(offset.value.aheadMs - 3_600_000) <= offset.value.errorMs, JSON.stringify(offset));
  const closed = await lookAtClock({ ...config, trigger: 'both', state_dir: t.testdirName }, { prometheusUrl: 'http://127.0.0.1:1', alertmanagerUrl: url });
  t.match(closed.peers, [{ name: 'Prometheus', offset: { why: /^nothing answers at http:\/\/127\.0\.0\.1:1 \(/ } }, { name: 'Alertmanager', offset: { value: {} } }]);
});

t.test('the newest alert on record', async (t) => {
  const dir = t.testdir();
  t.strictSame(await lookAtAlerts(dir), { value: null }, 'no journal yet');
  const line = (id: string, atMs: number, startsAtMs: number | null) =>
    JSON.stringify({ v: 1, type: 'incident', incident: {
      id, app: 'shop', worker: '0', reason: 'rss', origin: 'alertmanager', asked: 'rss', sentence: 's', atMs, action: 'refuse', before: null, outcome: null,
      alert: startsAtMs === null ? null : { fingerprint: 'f', startsAtMs, endsAtMs: null },
    } });
  writeFileSync(join(dir, 'journal.jsonl'), [line('a', 1000, 99_000), line('b', 5000, 7000), line('c', 6000, null), '{"half'].join('\n'));
  t.strictSame(await lookAtAlerts(dir), { value: 2000 }, 'an older one may tell of a clock that has been set since');
  mkdirSync(join(dir, 'odd/journal.jsonl'), { recursive: true });
  t.match(await lookAtAlerts(join(dir, 'odd')), { why: /EISDIR/ });
});

t.test("what check says, with its place", async (t) => {
  const { config, places } = written(`trigger: both
defaults:
  limits:
    heap: { restart: 90% }
apps:
  - name: shop
    supervisor: { systemd: shop.service }
    restart: { ready: { agent: true } }
    runtime: none
    limits:
      rss: { restart: 1GB, for: 10s }
`);
  const verdict = judgeNotices(config, places);
  t.strictSame(codes(verdict), ['problem setting_unsupported', 'note setting_without_effect', 'note setting_without_effect']);
  t.strictSame(verdict.findings.map(({ fix }) => `${fix?.file}:${fix?.line}: ${fix?.text}`), [
    '/srv/heapwarden.yml:8: take out or change restart.ready.agent',
    '/srv/heapwarden.yml:4: take out or change limits.heap',
    '/srv/heapwarden.yml:11: take out or change limits.rss.for',
  ]);
});

t.test('the last line', async (t) => {
  const last = (findings: ('problem' | 'warning' | 'note')[], notChecked: string[]) =>
    linesOf({ findings: findings.map((severity) => ({ code: 'wrapper', severity, app: null, message: 'm', fix: null })), notChecked }).at(-1);
  t.equal(last([], []), 'nothing found');
  t.equal(last([], ['x']), 'nothing found, 1 not checked');
  t.equal(last(['problem', 'note', 'problem', 'warning'], ['x', 'y']), '2 problems, 1 warning, 1 note, 2 not checked');
});
