import { execFileSync } from 'node:child_process';
import {
  copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { Journal } from '../../src/act/journal.js';
import { parseJournal } from '../../src/act/journal-lines.js';
import { MINUTE, NOW } from '../decide/support.js';
import { deathOf, incidentOf } from './support.js';

const OUTCOME = incidentOf({ id: 'x' }).outcome!;
const open = incidentOf({ id: 'open', outcome: null });
const done = incidentOf({ id: 'done' });
const refusal = incidentOf({ id: 'no', action: 'refuse', reason: 'cooldown', outcome: null });

const PAUSED = { pause: { untilMs: null, atMs: NOW }, freshSinceMs: NOW, schedule: null };

const fileIn = (dir: string): string => join(dir, 'journal.jsonl');
const linesIn = (dir: string): string[] => readFileSync(fileIn(dir), 'utf8').split('\n').filter((line) => line !== '');

async function contentOf(dir: string) {
  const { journal, content } = await Journal.open(dir);
  await journal.close();
  return content;
}

t.test('what is recorded is found again, by another warden', async (t) => {
  const dir = join(t.testdir(), 'state', 'made');
  const { journal, content } = await Journal.open(dir);
  t.strictSame(content, { incidents: [], apps: new Map(), tallies: [], damaged: 0 });
  await journal.record(open);
  await journal.record(refusal);
  await journal.record({ ...done, outcome: null });
  await journal.complete('done', OUTCOME);
  t.equal(linesIn(dir).length, 4, 'one line each, there as soon as the promise is kept');
  await journal.close();

  t.strictSame(await contentOf(dir), { incidents: [open, refusal, { ...done, outcome: OUTCOME }], apps: new Map(), tallies: [], damaged: 0 });
  t.equal(statSync(fileIn(dir)).mode & 0o777, 0o600);
  t.equal(statSync(dir).mode & 0o777, 0o700);
});

t.test('lines written at once do not mix', async (t) => {
  const dir = t.testdir();
  const { journal } = await Journal.open(dir);
  const ids = Array.from({ length: 50 }, (_, i) => `i${i}`);
  await Promise.all(ids.map((id) => journal.record(incidentOf({ id, sentence: 'x'.repeat(5000) }))));
  await journal.close();
  t.strictSame((await contentOf(dir)).incidents.map(({ id }) => id), ids);
});

t.test('a half last line is set aside, and what follows stands on a line of its own', async (t) => {
  const whole = `${JSON.stringify({ v: 1, type: 'incident', incident: done })}\n`;
  const dir = t.testdir({ 'journal.jsonl': whole + whole.slice(0, 100) });
  const { journal, content, setAside } = await Journal.open(dir);
  t.strictSame(content, { incidents: [done], apps: new Map(), tallies: [], damaged: 1 });
  await journal.record(open);
  await journal.record(refusal);
  await journal.close();
  t.strictSame(await contentOf(dir), { incidents: [done, open, refusal], apps: new Map(), tallies: [], damaged: 0 }, 'told once');
  t.match(setAside, /journal\.damaged-\d{8}T\d{9}Z\.jsonl$/);
  t.equal(readFileSync(setAside!, 'utf8'), whole + whole.slice(0, 100), 'as it was found, to the last byte');
});

const OUTLOOK = { leak: null, rates: {}, forecastMs: null, limitBytes: null, measuredMs: 0 };

t.test('garbage harms no other line', async (t) => {
  const line = (value: unknown) => JSON.stringify(value);
  const text = [
    line({ v: 1, type: 'incident', incident: open }),
    '\u0000\u0000\u0000\u0000',
    'null',
    '[]',
    '"text"',
    line({ v: 2, type: 'incident', incident: done }),
    line({ v: 1, type: 'novel', incident: done }),
    line({ v: 1, type: 'incident' }),
    line({ v: 1, type: 'incident', incident: { ...done, atMs: 'yesterday' } }),
    line({ v: 1, type: 'incident', incident: { ...done, worker: 0 } }),
    line({ v: 1, type: 'incident', incident: { ...done, action: undefined } }),
    line({ v: 1, type: 'incident', incident: { ...done, before: {} } }),
    line({ v: 1, type: 'incident', incident: { ...done, outcome: 'well' } }),
    line({ v: 1, type: 'incident', incident: { ...done, alert: [] } }),
    line({ v: 1, type: 'incident', incident: { ...done, outlook: {} } }),
    line({ v: 1, type: 'incident', incident: { ...done, outlook: { ...OUTLOOK, leak: { class: 'heap' } } } }),
    line({ v: 1, type: 'incident', incident: { ...done, gain: { overMs: 1, bytes: 2 } } }),
    line({ v: 1, type: 'outcome', id: 'open' }),
    line({ v: 1, type: 'outcome', id: 'open', outcome: {} }),
    line({ v: 1, type: 'outcome', id: 'open', outcome: { ...OUTCOME, after: { pid: '1' } } }),
    line({ v: 1, type: 'app', app: 'shop', state: [] }),
    line({ v: 1, type: 'app', app: 'shop', state: { pause: { untilMs: 'tomorrow' } } }),
    line({ v: 1, type: 'app', app: 'shop', state: { schedule: 'daily' } }),
    line({ v: 1, type: 'app', app: 'shop', state: { schedule: { cron: '0 4 * * *', seenMs: 1, dueAtMs: 'today' } } }),
    line({ v: 1, type: 'outcome', id: 'nobody', outcome: OUTCOME }), // without an intent
    '',
    line({ v: 1, type: 'outcome', id: 'open', outcome: OUTCOME }),
  ].join('\n');
  t.strictSame(parseJournal(text), { incidents: [{ ...open, outcome: OUTCOME }], apps: new Map(), tallies: [], damaged: 24 });
  const leak = { class: 'heap', bytesPerSecond: 1, confidence: 1, companions: [] } as const;
  for (const outlook of [null, OUTLOOK, { ...OUTLOOK, leak: { ...leak, companions: [] } }]) {
    const known = { ...done, outlook };
    t.strictSame(parseJournal(line({ v: 1, type: 'incident', incident: known })).incidents, [known]);
  }
  t.strictSame(parseJournal(''), { incidents: [], apps: new Map(), tallies: [], damaged: 0 });
});

t.test('refusals never push restarts out, nor one app those of another', async (t) => {
  const many = (count: number, of: Parameters<typeof incidentOf>[0]) =>
    Array.from({ length: count }, (_, i) => incidentOf({ ...of, id: `${of.id}${i}`, atMs: NOW + i }));
  const first = incidentOf({ id: 'first' });
  const all = [
    first,
    ...many(1500, { ...refusal, app: 'nobody knows' }),
    ...many(1200, { id: 'busy', app: 'busy' }),
    incidentOf({ id: 'last' }),
  ];
  const text = all.map((incident) => JSON.stringify({ v: 1, type: 'incident', incident })).join('\n');
  const { incidents } = parseJournal(text);
  t.strictSame(incidents[0], first, 'the oldest of all is a restart of its own app');
  t.equal(incidents.at(-1)!.id, 'last');
  t.equal(incidents.filter(({ action }) => action === 'refuse').length, 1000);
  t.strictSame(incidents.filter(({ app }) => app === 'busy').map(({ id }) => id).slice(0, 2), ['busy200', 'busy201']);
});

t.test('what is not remembered is counted, however often it is written anew', async (t) => {
  const dir = t.testdir();
  const many = (count: number, of: Parameters<typeof incidentOf>[0]) =>
    Array.from({ length: count }, (_, i) => incidentOf({ ...of, id: `${of.id}${i}` }));
  const failed = { ...OUTCOME, result: 'failed' } as const;
  const lives = [
    [...many(1300, { id: 'a' }), ...many(1100, { id: 'b', outcome: failed }), ...many(1500, { ...refusal, id: 'c' })],
    [...many(200, { id: 'd' }), ...many(5, { id: 'e', app: 'api' })],
  ];
  const died = Array.from({ length: 1001 }, (_, i) => deathOf({ id: `f${i}` }));
  for (const incidents of lives) {
    const { journal } = await Journal.open(dir, { compactAboveBytes: 10_000 });
    await Promise.all([...incidents, ...(incidents === lives[1] ? died : [])].map((incident) => journal.record(incident)));
    await journal.close();
  }
  const { journal, content } = await Journal.open(dir, { compactAboveBytes: 10_000 });
  await journal.close();
  const tally = (reason: string, result: string | null, count: number) => ({ app: 'shop', reason, result, count });
  t.strictSame(content.tallies, [tally('rss', 'recovered', 500), tally('rss', 'failed', 100), tally('oom_heap', null, 1)]);
  t.strictSame((await contentOf(dir)).tallies, content.tallies);
  t.equal((await contentOf(dir)).damaged, 0);
});

t.test('of many apps less is remembered of each, and a line about what is not is no damage', async (t) => {
  const line = (value: object) => JSON.stringify({ v: 1, ...value });
  const ids = Array.from({ length: 20_000 }, (_, i) => `i${i}`);
  const lines = ids.map((id, i) => line({ type: 'incident', incident: incidentOf({ id, app: `app ${i % 40}`, outcome: null }) }));
  const outcomes = ids.map((id) => line({ type: 'outcome', id, outcome: OUTCOME }));
  const rare = line({ type: 'incident', incident: done });
  const { incidents, damaged } = parseJournal([rare, ...lines, ...outcomes].join('\n'));
  t.equal(damaged, 0);
  t.strictSame(incidents[0], done);
  t.ok(incidents.length <= 10_000, `${incidents.length} in all`);
  for (let app = 0; app < 40; app++) {
    const kept = incidents.filter((one) => one.app === `app ${app}`).map(({ id }) => id);
    const all = ids.filter((_, i) => i % 40 === app);
    t.ok(kept.length === 249 || kept.length === 250, `${kept.length}: of 40 apps as many as of each other`);
    t.strictSame(kept, all.slice(-kept.length), 'the newest');
  }
  t.ok(incidents.every(({ outcome }) => outcome !== null));
});

t.test('of however many apps enough is remembered for a budget', async (t) => {
  const lines = Array.from({ length: 36_000 }, (_, i) => JSON.stringify({ v: 1, type: 'incident', incident: incidentOf({ id: `i${i}`, app: `app ${i % 3000}` }) }));
  const { incidents } = parseJournal(lines.join('\n'));
  t.equal(incidents.filter(({ app }) => app === 'app 7').length, 10);
});

t.test('one that is larger than memory is read, and made smaller', async (t) => {
  const dir = t.testdir();
  const program = fileURLToPath(new URL('large-journal.ts', import.meta.url));
  const output = execFileSync(process.execPath, ['--import=tsx', '--max-old-space-size=140', program, dir], { encoding: 'utf8' });
  t.match(JSON.parse(output), { before: 60_000, kept: 10_000, damaged: 0, newest: 'i59999' });
  t.equal(linesIn(dir).length, 10_040, 'and a count of what is not remembered, for each app');
});

t.test('lines are whole, wherever the pieces end that they are read in', async (t) => {
  const dir = t.testdir();
  const sentences = Array.from({ length: 5 }, (_, i) => 'é漢🔥\u2028'.repeat(60_000 + i));
  const text = sentences.map((sentence, i) => `${JSON.stringify({ v: 1, type: 'incident', incident: incidentOf({ id: `i${i}`, sentence }) })}\n`).join('');
  writeFileSync(fileIn(dir), text);
  const { incidents, damaged } = await contentOf(dir);
  t.equal(damaged, 0);
  t.ok(incidents.every(({ sentence }, i) => sentence === sentences[i]));
  t.equal(incidents.length, 5);
});

t.test('above its bound it is written anew with all that is remembered, while it is open', async (t) => {
  const dir = t.testdir();
  const { journal } = await Journal.open(dir, { compactAboveBytes: 20_000 });
  for (let i = 0; i < 20; i++) await journal.record(incidentOf({ id: `i${i}`, outcome: null }));
  for (let i = 0; i < 20; i++) await journal.complete(`i${i}`, OUTCOME);
  await journal.record(open);
  let before = 0;
  // The same outcome again and again: the one thing that is not remembered.
  while (statSync(fileIn(dir)).size >= before) {
    before = statSync(fileIn(dir)).size;
    await journal.complete('open', OUTCOME);
    await journal.record(refusal);
    if (before > 200_000) break;
  }
  t.ok(before <= 200_000, 'it has become smaller');
  await journal.record(incidentOf({ id: 'after' }));
  await journal.close();
  const { incidents, damaged } = await contentOf(dir);
  t.equal(damaged, 0);
  const ids = [...Array.from({ length: 20 }, (_, i) => `i${i}`), 'open', 'no', 'after'];
  t.strictSame(incidents.map(({ id }) => id), ids);
  t.ok(incidents.slice(0, 20).every(({ outcome }) => outcome?.result === 'recovered'));
  t.strictSame(readdirSync(dir), ['journal.jsonl'], 'no draft is left');
});

t.test('and when it is opened', async (t) => {
  const line = (incident: unknown) => `${JSON.stringify({ v: 1, type: 'incident', incident })}\n`;
  const lines = Array.from({ length: 1500 }, (_, i) => line({ ...refusal, id: `r${i}`, atMs: NOW + i * MINUTE }));
  const draft = { 'journal.jsonl.new': 'one that died half way' };
  const dir = t.testdir({ 'journal.jsonl': line(done) + lines.join(''), ...draft });
  const { journal, content } = await Journal.open(dir, { compactAboveBytes: 100_000 });
  await journal.record(open);
  await journal.close();
  t.equal(linesIn(dir).length, 1002);
  t.strictSame((await contentOf(dir)).incidents, [...content.incidents, open]);
  t.strictSame(readdirSync(dir), ['journal.jsonl']);
});

t.test('a draft that cannot be made leaves the journal as it is', async (t) => {
  const line = `${JSON.stringify({ v: 1, type: 'incident', incident: done })}\n`;
  const dir = t.testdir({ 'journal.jsonl': line, 'journal.jsonl.new': {} }); // a folder, where the draft belongs
  const { journal } = await Journal.open(dir, { compactAboveBytes: 10 });
  await journal.record(open);
  await journal.close();
  t.strictSame((await contentOf(dir)).incidents, [done, open]);
});

t.test('one that somebody takes away while it is open is written anew', { skip: process.platform === 'win32' }, async (t) => {
  const ways: Record<string, (path: string) => void> = {
    removed: (path) => rmSync(path),
    moved: (path) => renameSync(path, `${path}.1`),
    rotated: (path) => {
      renameSync(path, `${path}.1`);
      writeFileSync(path, '', { mode: 0o600 });
    },
    'put back': (path) => {
      copyFileSync(path, `${path}.1`);
      renameSync(`${path}.1`, path);
    },
  };
  for (const [way, take] of Object.entries(ways)) {
    const dir = t.testdir();
    const moved: string[] = [];
    const { journal } = await Journal.open(dir, { onMoved: (path) => moved.push(path) });
    await journal.record(incidentOf({ id: 'cut', outcome: null }));
    await journal.note('shop', PAUSED);
    take(fileIn(dir));
    await journal.complete('cut', OUTCOME);
    await journal.record(open);
    t.strictSame(moved, [fileIn(dir)], `${way}: told once`);
    take(fileIn(dir));
    await Promise.all([journal.record(done), journal.record(refusal)]);
    await journal.close();
    const { incidents, apps, damaged } = await contentOf(dir);
    t.strictSame(incidents, [incidentOf({ id: 'cut', outcome: OUTCOME }), open, done, refusal], way);
    t.strictSame([apps.get('shop'), damaged], [PAUSED, 0]);
    t.equal(moved.length, 2);
  }
});

t.test('what cannot be read in its place gives way to it, and is not followed', { skip: process.platform === 'win32' }, async (t) => {
  const dir = t.testdir({ stranger: 'own words' });
  const { journal } = await Journal.open(dir);
  await journal.record(done);
  rmSync(fileIn(dir));
  symlinkSync('stranger', fileIn(dir));
  await journal.record(open);
  await journal.close();
  t.equal(readFileSync(join(dir, 'stranger'), 'utf8'), 'own words');
  t.strictSame((await contentOf(dir)).incidents, [done, open]);
});

/** A journal with one line, in whose place lies a folder. */
async function blocked(t: Test) {
  const dir = t.testdir();
  const { journal } = await Journal.open(dir);
  await journal.record(done);
  rmSync(fileIn(dir));
  mkdirSync(fileIn(dir));
  return { dir, journal };
}

t.test('a folder in its place keeps it from being written, until that has gone', { skip: process.platform === 'win32' }, async (t) => {
  const { dir, journal } = await blocked(t);
  const warnings: Error[] = [];
  process.on('warning', (warning) => warnings.push(warning));
  for (let i = 0; i < 12; i++) await t.rejects(journal.record(done), { code: 'JOURNAL_UNWRITABLE' });
  t.ok(journal.hasFailed);
  rmSync(fileIn(dir), { recursive: true });
  await journal.record(open);
  t.notOk(journal.hasFailed);
  await journal.close();
  t.strictSame((await contentOf(dir)).incidents, [done, open]);
  t.strictSame(warnings, [], 'nothing piles up meanwhile');
});

t.test('it comes back with its folder', { skip: process.platform === 'win32' }, async (t) => {
  const dir = join(t.testdir(), 'state');
  const { journal } = await Journal.open(dir);
  await journal.record(done);
  rmSync(dir, { recursive: true });
  await journal.record(open);
  await journal.close();
  t.equal(statSync(dir).mode & 0o777, 0o700);
  t.strictSame((await contentOf(dir)).incidents, [done, open]);
});

t.test('a state folder that cannot be used', async (t) => {
  const dir = t.testdir({ file: '' });
  const stateDir = join(dir, 'file', 'state');
  await t.rejects(Journal.open(stateDir), {
    code: 'STATE_UNWRITABLE',
    message:
      `the state folder ${stateDir} cannot be used: ENOTDIR: not a directory, mkdir '${stateDir}'. ` +
      'Make it writable for this user, or set state_dir in the config',
  });
  const taken = t.testdir({ 'journal.jsonl': {} });
  await t.rejects(Journal.open(taken), { code: 'STATE_UNWRITABLE', message: /EISDIR/ });
});

t.test('a disk that is full', async (t) => {
  if (process.platform !== 'linux') return t.pass('not run', { skip: 'a full disk is made with prlimit, on Linux' });
  const dir = t.testdir();
  const program = fileURLToPath(new URL('full-disk.ts', import.meta.url));
  const output = execFileSync(process.execPath, ['--import=tsx', program, dir], { encoding: 'utf8' });
  const message = 'the journal cannot be written: EFBIG: file too large, write';
  t.strictSame(JSON.parse(output), { refused: message, left: 0, again: message });
  const { incidents, damaged } = await contentOf(dir);
  t.strictSame(incidents.map(({ id }) => id), ['before', 'told', 'after'], 'a restart that was not done is not there, a refusal is');
  t.equal(damaged, 0);
});

t.test('an outcome that could not be written is made up for', async (t) => {
  if (process.platform !== 'linux') return t.pass('not run', { skip: 'a full disk is made with prlimit, on Linux' });
  const program = fileURLToPath(new URL('full-disk.ts', import.meta.url));
  for (const how of ['record', 'close']) {
    const dir = t.testdir();
    execFileSync(process.execPath, ['--import=tsx', program, dir, how]);
    const { incidents } = await contentOf(dir);
    const [first] = incidents;
    t.match(first, { id: 'before', outcome: { sentence: 'the newest' } }, `with the next ${how}`);
  }
});

t.test('what waits for room has a bound', { skip: process.platform === 'win32' }, async (t) => {
  const { dir, journal } = await blocked(t);
  const sentence = 'why '.repeat(250_000);
  for (let i = 0; i < 6; i++) await t.rejects(journal.record({ ...refusal, id: `no${i}`, sentence }), { code: 'JOURNAL_UNWRITABLE' });
  rmSync(fileIn(dir), { recursive: true });
  await journal.record(open);
  await journal.close();
  t.strictSame((await contentOf(dir)).incidents.map(({ id }) => id), ['done', 'no0', 'no1', 'no2', 'no3', 'open']);
});

t.test('a journal that is closed takes no more', async (t) => {
  const dir = t.testdir();
  const { journal } = await Journal.open(dir);
  const last = journal.record(done);
  await journal.close();
  await last;
  t.equal(linesIn(dir).length, 1, 'what was under way is written');
  await t.rejects(journal.record(open), { code: 'JOURNAL_UNWRITABLE' });
  t.notOk(existsSync(join(dir, 'journal.jsonl.new')));
});

t.test('a death is one line, found again, and no outcome can be given to it', async (t) => {
  const dir = t.testdir();
  const { journal } = await Journal.open(dir);
  const measured = { pid: 7, start: 5, startedAtMs: NOW, rssBytes: 9e6, heapUsedBytes: 5e6, heapLimitBytes: 8e6, heartbeatAtMs: null };
  const death = deathOf({ id: 'd', before: measured, measuredAtMs: NOW });
  await journal.record(death);
  await journal.record(done);
  await journal.complete('d', OUTCOME);
  await journal.close();
  t.strictSame(parseJournal(readFileSync(fileIn(dir), 'utf8')), { incidents: [death, done], apps: new Map(), tallies: [], damaged: 1 });
  const torn = JSON.stringify({ v: 1, type: 'incident', incident: { ...death, before: {} } });
  t.equal(parseJournal(torn).damaged, 1);
});
