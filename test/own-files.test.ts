/** Links and other things in the place of the warden's own files, as somebody who may write into the folder plants them. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync, chownSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DayKeeper } from '../src/act/day-keeper.js';
import { sourceLocator } from '../src/act/evidence/source-maps.js';
import { EvidenceStore, writePrivate } from '../src/act/evidence/store.js';
import { Journal } from '../src/act/journal.js';
import { StateLock } from '../src/act/lock.js';
import { makeStateFolder, whyUnsafe } from '../src/act/state-folder.js';
import { systemClock } from '../src/clock.js';
import { ensureToken, readToken } from '../src/http/token.js';
import { processSource } from '../src/observe/processes.js';
import { createOwn, openOwn, readAtMost, readOwn, replaceOwn, TooLarge } from '../src/own-files.js';
import { Leftovers } from '../src/supervisors/leftovers.js';
import { incidentOf, MemoryLog } from './act/support.js';

const onPosix = process.platform === 'win32' ? 'Windows has neither modes nor these links' : false;
const asRoot = process.getuid?.() === 0 ? false : 'takes root, who can make files of others';

/** A state folder, and beside it a file that is nobody's business to write. */
function setup(t: Test) {
  const dir = mkdtempSync(join(tmpdir(), 'hw-own-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const [state, victim] = [join(dir, 'state'), join(dir, 'victim')];
  mkdirSync(state, { mode: 0o700 });
  writeFileSync(victim, 'precious');
  const untouched = (what: string) => t.equal(readFileSync(victim, 'utf8'), 'precious', `${what}: what the link leads to is untouched`);
  return { dir, state, victim, untouched };
}

t.test('no link is followed, whatever is done', { skip: onPosix }, async (t) => {
  const { state, victim, untouched } = setup(t);
  const path = join(state, 'file');
  for (const target of [victim, join(state, 'not-there')]) {
    symlinkSync(target, path);
    await t.rejects(openOwn(path, 'append'), { message: `${path} is a symbolic link, which heapwarden does not follow; remove it` });
    await t.rejects(readOwn(path), { message: /symbolic link/ });
    untouched('append and read');
    await (await createOwn(path)).close();
    t.ok(lstatSync(path).isFile(), 'a new file takes its place');
    rmSync(path);
    symlinkSync(target, `${path}.new`);
    await replaceOwn(path, ['new']);
    untouched('replace');
    t.equal(readFileSync(path, 'utf8'), 'new');
    t.equal(statSync(path).mode & 0o777, 0o600);
    rmSync(path);
  }
  t.notOk(existsSync(join(state, 'not-there')), 'nor is anything made where a link leads');
});

t.test('no more is read than is wanted, whatever a file says of its size', async (t) => {
  const { state } = setup(t);
  const path = join(state, 'file');
  for (const size of [0, 1, 3e6]) {
    const content = Buffer.alloc(size, 'x');
    writeFileSync(path, content);
    t.ok((await readOwn(path, 3e6)).equals(content), `${size} bytes`);
  }
  await t.rejects(readOwn(path, 3e6 - 1), new TooLarge(3e6 - 1));
  await t.rejects(readOwn(path, 0), { message: 'it is larger than 0 B' });
  if (process.platform !== 'linux') return;
  const status = await open('/proc/self/status'); // of 0 bytes, it says
  t.match((await readAtMost(status, 1e6)).toString(), /^Name:/);
  await t.rejects(readAtMost(status, 100), new TooLarge(100));
  await status.close();
});

t.test('what is no plain file is not waited for', { skip: onPosix }, async (t) => {
  const { state } = setup(t);
  const path = join(state, 'fifo');
  execFileSync('mkfifo', [path]);
  const startedAt = performance.now();
  await t.rejects(readOwn(path), { message: `${path} is no plain file; remove it` });
  await t.rejects(openOwn(path, 'append'), { message: `${path} is no plain file; remove it` });
  await t.rejects(readOwn(state), { message: /no plain file/ });
  t.ok(performance.now() - startedAt < 5000);
});

t.test("a stranger's file is not read, unless the folder is his as well", { skip: onPosix || asRoot }, async (t) => {
  const { state } = setup(t);
  const path = join(state, 'file');
  writeFileSync(path, 'planted');
  chownSync(path, 65_534, 65_534);
  await t.rejects(readOwn(path), { message: new RegExp(`${path} belongs to user 65534, who has put it there`) });
  chownSync(state, 65_534, 65_534);
  t.equal(String(await readOwn(path)), 'planted');
});

t.test('the journal', { skip: onPosix }, async (t) => {
  const { state, victim, untouched } = setup(t);
  const path = join(state, 'journal.jsonl');
  symlinkSync(victim, path);
  await t.rejects(Journal.open(state), { code: 'STATE_UNWRITABLE', message: /journal\.jsonl is a symbolic link, which heapwarden does not follow; remove it/ });
  untouched('opened');
  rmSync(path);
  const { journal } = await Journal.open(state, { compactAboveBytes: 1 });
  t.teardown(() => journal.close());
  symlinkSync(victim, `${path}.new`);
  await journal.record(incidentOf({ id: 'one' })); // and is written anew, being above one byte
  untouched('written anew');
  t.match(readFileSync(path, 'utf8'), /"one"/);
  t.equal(lstatSync(path).isFile(), true);
});

t.test('the lock, the list of children and the last day', { skip: onPosix }, async (t) => {
  const { state, victim, untouched } = setup(t);
  const log = new MemoryLog();
  symlinkSync(victim, join(state, `warden.lock.${process.pid}`));
  const lock = await StateLock.take(state, processSource());
  untouched('the draft of the lock');
  await lock.release();
  writeFileSync(victim, JSON.stringify({ pid: 1, start: 1 }));
  symlinkSync(victim, join(state, 'warden.lock'));
  const again = await StateLock.take(state, processSource());
  await again.release();
  writeFileSync(victim, 'precious');

  const children = join(state, 'children.json');
  symlinkSync(victim, children);
  symlinkSync(victim, `${children}.new`);
  const leftovers = await Leftovers.open(children, { processes: processSource(), clock: systemClock, log });
  await leftovers.remember('shop', [{ pid: 4242, start: 1 }]);
  untouched('children.json');
  t.match(readFileSync(children, 'utf8'), /4242/);
  t.match(log.at('warn'), [/children\.json cannot be read/]);

  for (const name of ['day.bin', 'day.bin.new']) symlinkSync(victim, join(state, name));
  const days = await DayKeeper.open({ stateDir: state, clock: systemClock, log });
  await days.close();
  untouched('day.bin');
  t.ok(lstatSync(join(state, 'day.bin')).isFile());
  t.match(log.at('warn')[1], /symbolic link/);
});

t.test('a list of children that somebody else has put there stops nobody', { skip: onPosix || asRoot }, async (t) => {
  const { state } = setup(t);
  chmodSync(state, 0o777);
  const path = join(state, 'children.json');
  writeFileSync(path, JSON.stringify({ boot: '', apps: { shop: [{ pid: process.pid, start: 1 }] } }));
  chownSync(path, 65_534, 65_534);
  const log = new MemoryLog();
  const leftovers = await Leftovers.open(path, { processes: processSource(), clock: systemClock, log });
  t.strictSame(leftovers.apps, []);
  t.match(log.at('warn'), [/children\.json cannot be read/]);
});

t.test('the token', { skip: onPosix }, async (t) => {
  const { state, victim } = setup(t);
  const path = join(state, 'token');
  symlinkSync(join(state, '..', 'made-elsewhere'), path);
  await t.rejects(ensureToken(path, { stateDir: state }), { code: 'TOKEN_UNREADABLE', message: /symbolic link/ });
  t.strictSame(readdirSync(join(state, '..')).toSorted(), ['state', 'victim'], 'nothing was made where it leads');
  rmSync(path);
  symlinkSync(victim, path);
  await t.rejects(readToken(path, { stateDir: state }), { code: 'TOKEN_UNREADABLE', message: /symbolic link/ }, 'a token that somebody else knows');
  t.equal(await readToken(path), 'precious', 'elsewhere a link is a way to mount a secret');
  chmodSync(victim, 0o666);
  await t.rejects(readToken(path), { code: 'TOKEN_UNREADABLE', message: /every user may write it: chmod o-w/ });
});

t.test('evidence', { skip: onPosix }, async (t) => {
  const { dir, state, victim, untouched } = setup(t);
  const outside = join(dir, 'outside');
  const bait = join(outside, '20200101T000000000Z-0-rss');
  mkdirSync(bait, { recursive: true });
  writeFileSync(join(bait, 'keep'), 'me');
  const store = new EvidenceStore(state);
  const subject = { app: 'shop', atMs: Date.parse('2026-01-01T00:00:00Z'), worker: '0', asked: 'rss' };
  for (const planted of [join(state, 'evidence'), join(state, 'evidence', 'shop')]) {
    symlinkSync(outside, planted);
    await t.rejects(store.make(subject), { message: `${planted} is no folder (a symbolic link counts as none); remove it` });
    rmSync(planted);
    if (planted.endsWith('evidence')) mkdirSync(planted);
  }
  t.strictSame(readdirSync(outside), ['20200101T000000000Z-0-rss'], 'nothing was made there');
  symlinkSync(outside, join(state, 'evidence', 'other'));
  const folder = await store.make(subject);
  t.equal(statSync(folder).mode & 0o777, 0o700);
  symlinkSync(victim, join(folder, 'incident.json'));
  await writePrivate(folder, 'incident.json', '{}');
  untouched('incident.json');
  await new EvidenceStore(state, 1).tidy(folder, { name: 'shop', evidence: { keep: 1 } } as Parameters<EvidenceStore['tidy']>[1]);
  t.equal(readFileSync(join(bait, 'keep'), 'utf8'), 'me', 'nothing is tidied away behind a link');
});

t.test('a folder that others may write into', { skip: onPosix }, async (t) => {
  const { dir, state } = setup(t);
  chmodSync(state, 0o777);
  await makeStateFolder(state);
  t.equal(statSync(state).mode & 0o777, 0o755, 'they may no more');
  t.equal(await whyUnsafe(state), null);
  chmodSync(state, 0o775);
  t.match(await whyUnsafe(state), /others than this user may write into the state folder .*: chmod go-w/);
  const made = join(dir, 'a', 'b');
  await makeStateFolder(made);
  t.equal(statSync(made).mode & 0o777, 0o700);
});

t.test("a stranger's folder is told of, to root too", { skip: onPosix || asRoot }, async (t) => {
  const { state } = setup(t);
  chownSync(state, 4242, 4242);
  t.match(await whyUnsafe(state), /the state folder .* belongs to user 4242, who can remove or replace what is in it/);
  chownSync(state, 0, 4242);
  t.equal(await whyUnsafe(state), null, "root's own");
});

t.test('a source map is read of plain files alone, and of nothing that is only root\'s', { skip: onPosix }, async (t) => {
  const { dir } = setup(t);
  const map = { version: 3, sources: ['real.ts'], names: [], mappings: 'AAAA' };
  const place = async (file: string): Promise<string | null> => {
    const frame = { functionName: 'f', url: file, lineNumber: 0, columnNumber: 0, scriptId: '1' };
    return (await sourceLocator([frame]))(frame).file;
  };
  const script = join(dir, 'app.js');
  writeFileSync(join(dir, 'app.js.map'), JSON.stringify(map));
  writeFileSync(script, 'x\n//# sourceMappingURL=app.js.map\n');
  t.equal(await place(script), join(dir, 'real.ts'));
  const link = join(dir, 'current.js');
  symlinkSync(script, link);
  t.equal(await place(link), join(dir, 'real.ts'), 'a release by its link');
  chmodSync(script, 0o600);
  const isRoot = process.getuid?.() === 0;
  t.equal(await place(script), isRoot ? script : join(dir, 'real.ts'));
  const fifo = join(dir, 'fifo.js');
  execFileSync('mkfifo', [fifo]);
  const startedAt = performance.now();
  t.equal(await place(fifo), fifo);
  t.equal(await place('/dev/zero'), '/dev/zero');
  t.ok(performance.now() - startedAt < 5000, 'no device is opened, no pipe waited for');
});
