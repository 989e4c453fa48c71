/** The state folder is full, read-only, or holds a journal that has been damaged; the real program on real mounts. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseJournal } from '../../src/act/journal-lines.js';
import { incidentOf } from '../act/support.js';
import { cannotRun } from '../parts/index.js';
import { reportFolder } from '../supervisors/child-support.js';
import { slowService, startsIn } from './slow-service.js';
import { waitFor } from './wait.js';
import { WardenProcess } from './warden-process.js';

t.setTimeout(300_000);

// A mount namespace of the warden's own: its mounts are gone when it is.
const OWN_MOUNTS = process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-r', '-m'];

/** Why no test can have mounts of its own here; null where it can. */
function whyNoMounts(): string | null {
  try {
    execFileSync(OWN_MOUNTS[0]!, [...OWN_MOUNTS.slice(1), 'mount', '-t', 'tmpfs', 'heapwarden', '/mnt'], { stdio: 'pipe' });
    return null;
  } catch (error) {
    return `no mounts of its own (${String(error).split('\n')[1] ?? String(error)})`;
  }
}

/** After `mount` has been done to the state folder, which the script finds in `$0`. */
const behind = (mount: string, stateDir: string): string[] => [...OWN_MOUNTS, 'sh', '-ec', `${mount}; exec "$@"`, stateDir, process.execPath];

/** A service that runs; what is below `state_dir` alone is under test. */
async function setup(t: Test, mount: string) {
  const dir = mkdtempSync(join(tmpdir(), 'hw-int-'));
  const stateDir = join(dir, 'state');
  mkdirSync(stateDir);
  const folder = await reportFolder(t);
  const config = `
state_dir: ./state
auth: { token_file: ./token }
sample_interval: 300ms
apps:
  - name: steady
    supervisor: ${slowService(folder, { STOP_MS: 3000 })}
    runtime: none
    restart: { mode: stop_first, startup_grace: 0s, cooldown: 0s, budget: 5/1h, stop_timeout: 10s }
`;
  const warden = await WardenProcess.start(t, { config, dir, runner: behind(mount, stateDir) });
  /** The state folder as the warden sees it. */
  const seen = join('/proc', String(warden.child.pid), 'root', stateDir);
  const starts = () => startsIn(folder).length;
  return { warden, stateDir, seen, folder, config, starts };
}

/** Takes all that is left of a disk. */
function fill(file: string): void {
  try {
    for (;;) writeFileSync(file, randomBytes(4096), { flag: 'a' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

const restart = (warden: WardenProcess) => warden.post('/api/v1/apps/steady/restart', {});
const errors = async (warden: WardenProcess) => (await warden.metric('heapwarden_journal_errors_total')) ?? -1;

/** The journal's last page has room for a few lines more even then; the shortest there are take it. */
async function fillUp(warden: WardenProcess, seen: string): Promise<void> {
  fill(join(seen, 'filler'));
  for (let lines = 0, status = 200; status !== 503; lines++) {
    ({ status } = await warden.post('/api/v1/apps/steady/resume'));
    if (lines > 100) throw new Error('the journal can still be written');
  }
}

t.test('a disk that is full: nothing is restarted until there is room', async (t) => {
  const why = whyNoMounts();
  if (why) return cannotRun(t, why);
  const { warden, seen, config, starts } = await setup(t, 'mount -t tmpfs -o size=64k heapwarden "$0"');
  await warden.ready();
  await waitFor('the service', () => starts() === 1);
  t.equal(await errors(warden), 0);
  await fillUp(warden, seen);

  const refused = { status: 503, body: { message: 'the journal cannot be written: ENOSPC: no space left on device, write' } };
  const pid = await warden.pid('steady');
  t.match(await restart(warden), refused);
  t.match(await warden.post('/api/v1/apps/steady/restart', { force: true }), refused, 'not even by force');
  t.match(await warden.post('/api/v1/apps/steady/pause', {}), refused, 'nor is a pause promised that would not last');
  t.match(await warden.apps(), [{ paused: null }]);
  t.notMatch(warden.log, /steady: paused/);
  const unknown = await warden.post('/api/v1/apps/nobody/restart', {});
  t.match(unknown, { status: 404, body: { decisions: [{ action: 'refuse', reason: 'unknown_app' }] } }, 'refusals are answered');
  t.match(warden.log, /the journal cannot be written: ENOSPC.*; while it cannot be written, nothing is restarted/);

  const before = await errors(warden);
  t.ok(before >= 5, `counted ${before} times`);
  WardenProcess.writeConfig(warden.dir, `${config.replace('cooldown: 0s', 'cooldown: 1h')}    limits: { rss: { restart: 1MB, for: 0s } }`);
  t.equal((await warden.post('/-/reload')).status, 200);
  await waitFor('the guard to ask for it in vain', async () => (await errors(warden)) >= before + 3);
  t.equal(await warden.pid('steady'), pid);
  t.equal(starts(), 1, 'nothing was restarted');
  t.strictSame(await warden.restarts(), [], 'nor does the record say so');
  t.equal(await warden.metric('heapwarden_restart_budget_remaining', { app: 'steady' }), 5);

  rmSync(join(seen, 'filler'));
  t.match(await warden.finishedRestart(), { origin: 'guard', before: { pid } }, 'as soon as there is room it goes on');
  const { damaged, incidents } = parseJournal(readFileSync(join(seen, 'journal.jsonl'), 'utf8'));
  t.equal(damaged, 0);
  t.ok(incidents.some(({ action }) => action === 'restart'));
  t.equal(await warden.stop(), 0);
});

t.test('a disk that fills up in the middle of a restart', async (t) => {
  const why = whyNoMounts();
  if (why) return cannotRun(t, why);
  const { warden, seen, starts } = await setup(t, 'mount -t tmpfs -o size=64k heapwarden "$0"');
  await warden.ready();
  await waitFor('the service', () => starts() === 1);
  t.match(await restart(warden), { status: 202 });
  await fillUp(warden, seen);
  const before = await errors(warden);
  const { id } = await warden.finishedRestart();
  t.equal(starts(), 2, 'what was begun is seen through');
  await waitFor('the lost outcome to be counted', async () => (await errors(warden)) > before);
  const onDisk = () => parseJournal(readFileSync(join(seen, 'journal.jsonl'), 'utf8')).incidents.find((one) => one.id === id);
  t.equal(onDisk()!.outcome, null, 'for the outcome there was no room');
  rmSync(join(seen, 'filler'));
  t.match(await warden.post('/api/v1/apps/steady/pause', {}), { status: 200 });
  t.match(onDisk(), { outcome: { result: 'recovered', interrupted: false } }, 'it was made up for');
});

t.test('a disk that is full at the start', async (t) => {
  const why = whyNoMounts();
  if (why) return cannotRun(t, why);
  const mount = 'mount -t tmpfs -o size=64k heapwarden "$0"; dd if=/dev/zero of="$0/filler" bs=4096 count=99 2>&- || :';
  const { warden, stateDir, folder } = await setup(t, mount);
  await waitFor('its end', () => !warden.isAlive);
  t.equal(warden.child.exitCode, 1);
  t.match(warden.log, new RegExp(`^\\S+ ERROR the state folder ${stateDir} cannot be used: ENOSPC: no space left on device, .*\\n$`));
  t.strictSame(readdirSync(folder), [], 'and no app was started');
});

t.test('a folder that is read-only at the start', async (t) => {
  const why = whyNoMounts();
  if (why) return cannotRun(t, why);
  const { warden, stateDir, folder } = await setup(t, 'mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"');
  await waitFor('its end', () => !warden.isAlive);
  t.equal(warden.child.exitCode, 1);
  t.match(warden.log, new RegExp(`ERROR the state folder ${stateDir} cannot be used: EROFS: read-only file system, .*\\. Make it writable`));
  t.equal(warden.log.trim().split('\n').length, 1, 'in one line');
  t.strictSame(readdirSync(folder), [], 'and no app was started');
});

t.test('a folder that becomes read-only: the journal is open, and is written', async (t) => {
  const why = whyNoMounts();
  if (why) return cannotRun(t, why);
  const { warden, stateDir, seen, starts } = await setup(t, 'mount -t tmpfs heapwarden "$0"');
  await warden.ready();
  await waitFor('the service', () => starts() === 1);
  const shut = 'mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"';
  const userNamespace = process.getuid?.() === 0 ? [] : ['-U', '--preserve-credentials'];
  execFileSync('nsenter', ['-t', String(warden.child.pid), '-m', ...userNamespace, 'sh', '-ec', shut, stateDir]);
  t.throws(() => writeFileSync(join(seen, 'file'), ''), { code: 'EROFS' });
  t.match(await restart(warden), { status: 202 });
  const { id } = await warden.finishedRestart();
  const onDisk = () => parseJournal(readFileSync(join(seen, 'journal.jsonl'), 'utf8')).incidents;
  // The API tells of an outcome a moment before the disk has it.
  const outcome = await waitFor('its outcome on disk', async () => onDisk().some((one) => 'outcome' in one && one.outcome) && onDisk());
  t.match(outcome, [{ id, outcome: { result: 'recovered' } }], 'all of it is on disk');
  t.match(warden.log, /children\.json cannot be written: EROFS.*; if heapwarden is killed, its apps will outlive it/);
  t.equal(await warden.stop(), 0, 'and it can be stopped');
});

t.test('a damaged journal: everything before and after is kept', async (t) => {
  const nowMs = Date.now();
  const line = (value: unknown) => `${JSON.stringify({ v: 1, ...(value as object) })}\n`;
  const made = (id: string, minutesAgo: number) => {
    const incident = incidentOf({ id, app: 'steady', atMs: nowMs - minutesAgo * 60_000 });
    return line({ type: 'incident', incident });
  };
  const garbage = [
    randomBytes(100_000),
    Buffer.alloc(50_000), // what a file system leaves where the power went
    Buffer.from('\xff\xfe\xc3\x28 {"v":1,"type":"incident"', 'latin1'), // not UTF-8
    Buffer.alloc(10_000_000, 'x'),
    Buffer.from('nonsense\n'.repeat(5000)),
    Buffer.from(line({ type: 'incident', incident: { id: 'odd', app: 'steady', worker: '0', atMs: nowMs } })),
    Buffer.from(line({ type: 'outcome', id: 'first', outcome: {} })),
  ];
  const journal = Buffer.concat([
    Buffer.from(made('first', 50)),
    ...garbage.flatMap((piece) => [piece, Buffer.from('\n')]),
    Buffer.from(made('second', 10)),
    Buffer.from(line({ type: 'app', app: 'other', state: { pause: { atMs: nowMs, untilMs: null } } })),
    Buffer.from(made('third', 5).slice(0, 200)),
  ]);
  const dir = mkdtempSync(join(tmpdir(), 'hw-int-'));
  writeFileSync(join(dir, 'journal.jsonl'), journal);
  const app = (name: string, cooldown: string) => `
  - name: ${name}
    supervisor: { child: { command: [sleep, "1000"] } }
    restart: { startup_grace: 0s, cooldown: ${cooldown}, budget: 3/1h, stop_timeout: 2s }`;
  const config = (cooldown: string) => `apps:${app('steady', cooldown)}${app('other', cooldown)}`;
  const warden = await WardenProcess.start(t, { config: config('1h'), dir });
  await warden.ready();

  const [, lines, copy] = /(\d+) lines of the journal could not be read; .* is kept as (\S+)/.exec(warden.log) ?? [];
  t.ok(Number(lines) > 5006, `${lines} lines`);
  t.match(copy, new RegExp(`^${dir}/journal\\.damaged-\\d{8}T\\d{9}Z\\.jsonl$`));
  t.ok(readFileSync(copy!).equals(journal), 'what was set aside is the file as it was, to the last byte');
  t.strictSame((await warden.incidents()).map(({ id }) => id), ['second', 'first']);
  t.match(await warden.incidents(), [{ outcome: { result: 'recovered' } }, { outcome: { result: 'recovered' } }]);
  t.equal(await warden.metric('heapwarden_restart_budget_remaining', { app: 'steady' }), 1, 'both count');
  t.match(await restart(warden), { status: 409, body: { decisions: [{ reason: 'cooldown' }] } }, 'the cooldown holds');
  t.match(await warden.post('/api/v1/apps/other/restart', {}), { status: 409, body: { decisions: [{ reason: 'paused' }] } });
  t.equal(await warden.stop(), 0);

  const text = readFileSync(join(dir, 'journal.jsonl'), 'utf8');
  t.equal(parseJournal(text).damaged, 0);
  t.ok(text.length < 10_000, `and goes on with ${text.length} bytes`);
  const next = await WardenProcess.start(t, { config: config('1m'), dir });
  await next.ready();
  t.notMatch(next.log, /could not be read/, 'told once');
  t.equal(readdirSync(dir).filter((name) => name.includes('damaged')).length, 1);
  t.match(await restart(next), { status: 202 });
  await next.finishedRestart();
  t.match(await restart(next), { status: 409, body: { decisions: [{ reason: 'cooldown' }] } });
  t.equal(await next.metric('heapwarden_restart_budget_remaining', { app: 'steady' }), 0);
});
