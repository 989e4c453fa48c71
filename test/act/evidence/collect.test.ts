/** What becomes of an incident's folder, and that nothing that goes wrong with it goes any further. */
import {
  chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Evidence, type EvidenceParts } from '../../../src/act/evidence/collect.js';
import { LastWords } from '../../../src/act/evidence/last-words.js';
import { PostMortem } from '../../../src/act/evidence/post-mortem.js';
import { EvidenceStore } from '../../../src/act/evidence/store.js';
import { systemClock } from '../../../src/clock.js';
import type { AppConfig } from '../../../src/config/schema.js';
import { sampleOf } from '../../../src/observe/series.js';
import type { GatherOrder } from '../../../src/observe/hub.js';
import { appOf, workerOf } from '../../decide/support.js';
import { MemoryLog, deathOf, incidentOf } from '../support.js';

const PROFILE = JSON.stringify({
  head: {
    callFrame: { functionName: '(root)', url: '', lineNumber: -1, columnNumber: -1 }, selfSize: 0,
    children: [{ callFrame: { functionName: 'remember', url: '/app/x.js', lineNumber: 1, columnNumber: 2 }, selfSize: 9e6, children: [] }],
  },
});

function parts(t: Test, change: Partial<EvidenceParts> = {}) {
  const dir = t.testdir({});
  const log = new MemoryLog();
  const lastWords = new LastWords(systemClock);
  const taken: string[] = [];
  const worker = workerOf({ pid: process.pid });
  const figures = { atMs: Date.now() - 60_000, rssBytes: 1e8, stats: worker.agent!.stats!, sample: sampleOf(worker)! };
  const memory = { process: worker.reading!.root, baseline: figures, last: figures, profiledSince: figures };
  const evidence = new Evidence({
    store: new EvidenceStore(dir),
    witness: { of: () => memory, profileTaken: ({ app }) => void taken.push(app) },
    lastWords,
    hub: { gather: async (_pid: number, { folder, files }: GatherOrder) => {
      for (const file of files) writeFileSync(join(folder, file), file === 'allocations.heapprofile' ? PROFILE : '{}');
      return [];
    } },
    whyNoFiles: async () => null,
    lookAtStack: async () => ({ stacks: [], overMs: 0, lack: 'none to be had' }),
    describe: ({ id }) => ({ id }),
    clock: systemClock,
    log,
    ...change,
  });
  return { dir, evidence, worker, lastWords, log, taken };
}

const never = new AbortController().signal;
const shop = (evidence: Partial<AppConfig['evidence']> = {}): AppConfig => {
  const app = appOf();
  return { ...app, evidence: { ...app.evidence, ...evidence } };
};
const incident = (change = {}) => incidentOf({ id: 'one', atMs: Date.now(), outcome: null, ...change });

t.test('a folder with all that could be had', async (t) => {
  const { dir, evidence, worker, lastWords, log, taken } = parts(t);
  lastWords.push('shop', '0', 'stdout', Buffer.from('one\ntwo\nhalf a l'));
  const report = await evidence.collect(incident(), worker, shop(), never);
  const files = ['incident.json', 'output.txt', 'allocations.heapprofile', 'report.json', 'suspects.txt'];
  t.strictSame([report!.files, report!.notes], [files, []]);
  t.match(report!.finding, /^100% of the 9 MB .* are from remember \(\/app\/x\.js:2:3\)$/);
  const folder = report!.folder!;
  t.match(folder, /evidence[\\/]shop[\\/]\d{8}T\d{9}Z-0-rss$/);
  t.ok(folder.startsWith(dir));
  t.strictSame(readdirSync(folder).toSorted(), files.toSorted());
  t.equal(statSync(folder).mode & 0o777, 0o700);
  for (const file of ['incident.json', 'output.txt', 'suspects.txt']) t.equal(statSync(join(folder, file)).mode & 0o777, 0o600, file);
  t.match(JSON.parse(readFileSync(join(folder, 'incident.json'), 'utf8')), { incident: { id: 'one' }, process: { at_baseline: {}, at_last: {} }, evidence: { folder } });
  t.match(readFileSync(join(folder, 'output.txt'), 'utf8'), /^\S+Z stdout one\n\S+Z stdout two\n$/);
  t.strictSame(taken, ['shop']);
  t.match(log.at('info'), [/^shop\/0: 100% of .*; evidence in .*: incident\.json, output\.txt/]);
});

t.test('apps that tidy up at the same moment do not disturb each other', async (t) => {
  const { dir } = parts(t);
  const store = new EvidenceStore(dir);
  const names = Array.from({ length: 8 }, (_, i) => `app${i}`);
  for (let second = 1; second <= 20; second++) {
    for (const app of names) {
      const folder = await store.make({ app, worker: '0', asked: 'rss', atMs: second * 1000 });
      for (const file of ['a', 'b', 'c']) writeFileSync(join(folder, file), '');
    }
  }
  const last = await Promise.all(names.map((app) => store.make({ app, worker: '0', asked: 'rss', atMs: 100_000 })));
  const config = (app: string): AppConfig => ({ ...shop({ keep: 1 }), name: app });
  await Promise.all(names.map((app, i) => store.tidy(last[i]!, config(app))));
  for (const app of names) t.equal(readdirSync(join(dir, 'evidence', app)).length, 1);
});

t.test('what cannot be removed takes nothing from what was written', async (t) => {
  const store = new EvidenceStore(t.testdir({}));
  store.tidy = async () => {
    throw new Error('EACCES');
  };
  const { evidence, worker } = parts(t, { store });
  const report = await evidence.collect(incident(), worker, shop(), never);
  t.ok(report?.files.includes('incident.json'));
  t.equal(report?.notes.at(-1), 'older evidence could not be removed: EACCES');
});

t.test('no more than evidence.keep of an app, and none where it is 0', async (t) => {
  const { dir, evidence, worker } = parts(t);
  const mine = join(dir, 'evidence', 'shop', 'mine');
  mkdirSync(mine, { recursive: true });
  for (const atMs of [1000, 2000, 3000]) await evidence.collect(incident({ atMs }), worker, shop({ keep: 2 }), never);
  const names = ['19700101T000002000Z-0-rss', '19700101T000003000Z-0-rss', 'mine'];
  t.strictSame(readdirSync(join(dir, 'evidence', 'shop')).toSorted(), names, "the oldest has gone, a person's own has not");
  t.equal(await evidence.collect(incident(), worker, shop({ keep: 0 }), never), null);
  t.equal(await evidence.collect(incident(), null, shop(), never), null, 'there is nothing to look at');
  t.strictSame(readdirSync(join(dir, 'evidence', 'shop')).toSorted(), names);
});

t.test('evidence does not remove itself after the clock was set back', async (t) => {
  const { dir, evidence, worker } = parts(t);
  for (const atMs of [8000, 9000]) await evidence.collect(incident({ atMs }), worker, shop({ keep: 2 }), never);
  const report = (await evidence.collect(incident({ atMs: 1000 }), worker, shop({ keep: 2 }), never))!;
  t.strictSame(readdirSync(report.folder!).toSorted(), report.files.toSorted());
  const remains = { death: deathOf({ id: 'two', atMs: 500 }), words: 'gone', memory: null };
  const last = (await new PostMortem(new EvidenceStore(dir), ({ id }) => ({ id })).write(remains, shop({ keep: 2 })))!;
  t.strictSame(readdirSync(last.folder!).toSorted(), last.files.toSorted(), 'nor do a dead process\'s');
  t.equal(readdirSync(join(dir, 'evidence', 'shop')).length, 2);
});

t.test('not a moment longer than evidence.timeout', async (t) => {
  const forever = new Promise<never>(() => {});
  const { evidence, worker } = parts(t, { hub: { gather: () => forever }, lookAtStack: () => forever });
  for (const asked of ['rss', 'freeze'] as const) {
    const startedAt = performance.now();
    const report = await evidence.collect(incident({ asked }), worker, shop({ timeout: 600 }), never);
    const took = performance.now() - startedAt;
    t.ok(took < 4900, `${asked}: ${took} ms, less than evidence.timeout is by default`);
    t.match(report!.notes.at(-1), 'evidence.timeout (600ms) was over before all of it was collected');
    t.strictSame(report!.files, ['incident.json'], 'what there is is told');
  }
  const closing = new AbortController();
  const startedAt = performance.now();
  const late = evidence.collect(incident(), worker, shop({ timeout: 60_000 }), closing.signal);
  closing.abort();
  t.ok(await late);
  t.ok(performance.now() - startedAt < 5000, 'nor does it hold up a close');
});

t.test('a close waits for an open inspector', async (t) => {
  const closing = new AbortController();
  let isClosed = false;
  const lookAtStack: EvidenceParts['lookAtStack'] = async (_pid, _timeoutMs, signal) => {
    closing.abort();
    await new Promise((resolve) => setTimeout(resolve, 200));
    isClosed = signal.aborted;
    return { stacks: [], overMs: 0, lack: null };
  };
  const { evidence, worker } = parts(t, { lookAtStack });
  await evidence.collect(incident({ asked: 'freeze' }), worker, shop(), closing.signal);
  t.ok(isClosed);
});

t.test('a folder that cannot be made, a disk that is full, an agent that fails', async (t) => {
  const { dir, evidence, worker, log } = parts(t);
  writeFileSync(join(dir, 'evidence'), 'in the way');
  const report = await evidence.collect(incident(), worker, shop(), never);
  t.strictSame([report!.folder, report!.files, report!.notes.length], [null, [], 1]);
  t.match(report!.notes[0], /^no folder for it could be made: .*evidence is no folder/);
  t.match(log.at('info'), [/^shop\/0: no evidence: no folder/]);

  const failing = parts(t, {
    hub: { gather: async (_pid, { folder, files }) => {
      writeFileSync(join(folder, 'allocations.heapprofile.unfinished'), 'half');
      writeFileSync(join(folder, 'report.json'), ''); // as a full disk leaves it
      return files.map((file) => `no ${file}: ENOSPC: no space left on device, write`);
    } },
  });
  const lacking = (await failing.evidence.collect(incident(), worker, shop(), never))!;
  t.strictSame(lacking.files, ['incident.json']);
  t.match(lacking.notes, [/^no allocations\.heapprofile: ENOSPC/, /^no report\.json: ENOSPC/]);
  t.notOk(existsSync(join(lacking.folder!, 'allocations.heapprofile.unfinished')), 'what is not whole is not left');

  const silent = parts(t, { hub: { gather: async () => null } });
  t.match((await silent.evidence.collect(incident(), worker, shop(), never))!.notes, [/^no allocations\.heapprofile, report\.json: the agent has not answered/]);
  const broken = parts(t, { hub: { gather: async () => Promise.reject(new Error('out of order')) } });
  t.match((await broken.evidence.collect(incident(), worker, shop(), never))!.notes, ['not all of it could be collected: out of order']);
  if (process.getuid?.() !== 0) {
    chmodSync(broken.dir, 0o500);
    t.match(await broken.evidence.collect(incident(), worker, shop(), never), { folder: null });
    chmodSync(broken.dir, 0o700);
  }
});

t.test('a profile that is too large, or would become it, and a source map', async (t) => {
  const collected = async (profile: string) => {
    const hub: EvidenceParts['hub'] = { gather: async (_pid, { folder, files }) => {
      for (const file of files) writeFileSync(join(folder, file), profile);
      return [];
    } };
    const { evidence, worker } = parts(t, { hub });
    return (await evidence.collect(incident(), worker, shop(), never))!;
  };
  const padded = (bytes: number) => PROFILE.padEnd(bytes, ' ');
  const whole = ({ notes, finding }: Awaited<ReturnType<typeof collected>>): void => {
    t.strictSame(notes, []);
    t.match(finding, /^100%/);
  };
  whole(await collected(padded(8e6)));
  t.match(await collected(padded(8e6 + 1)), { notes: ['no suspects.txt: it is larger than 8 MB'], finding: null });
  const bomb = (count: number) => PROFILE.replace('{', `{"samples":[{}${',{}'.repeat(count)}],`);
  whole(await collected(bomb(240_000)));
  t.match(await collected(bomb(260_000)), { notes: ['no suspects.txt: the profile could not be read'], finding: null });

  const scripts = mkdtempSync(join(tmpdir(), 'hw-scripts-'));
  t.teardown(() => rmSync(scripts, { recursive: true }));
  writeFileSync(join(scripts, 'x.js'), '//# sourceMappingURL=x.js.map\n');
  writeFileSync(join(scripts, 'x.js.map'), '');
  truncateSync(join(scripts, 'x.js.map'), 16e6 + 1);
  const report = await collected(PROFILE.replace('/app', scripts.replaceAll('\\', '/')));
  t.match(report, { notes: [/^positions in .*x\.js are those of the script that ran/], finding: /x\.js:2:3\)$/ });
});

t.test('a snapshot only where it is asked for, of a memory restart, and where there is room', async (t) => {
  const { evidence, worker } = parts(t);
  const taken = async (change: object, config: object) => (await evidence.collect(incident(change), worker, shop(config), never))!;
  t.notOk((await taken({}, {})).files.includes('heap.heapsnapshot'));
  t.notOk((await taken({ asked: 'uptime', reason: 'uptime', atMs: 1 }, { snapshot: true })).files.includes('heap.heapsnapshot'));
  const tooLate = await taken({ atMs: 2 }, { snapshot: true, timeout: 3000 });
  t.match(tooLate.notes, [/^no heap\.heapsnapshot: a heap of 30 MB may take /]);
});

t.test('an agent whose user may not write there is asked for nothing, and one note says so', async (t) => {
  const asked: string[] = [];
  const { evidence, worker, lastWords, taken } = parts(t, {
    whyNoFiles: async (pid) => (pid === process.pid ? 'the app runs as another user' : null),
    hub: { gather: async (_pid, { files }) => (asked.push(...files), []) },
  });
  lastWords.push('shop', '0', 'stdout', Buffer.from('one\n'));
  const report = async (change: object, config: object) => (await evidence.collect(incident(change), worker, shop(config), never))!;
  t.match(await report({}, { snapshot: true }), {
    files: ['incident.json', 'output.txt'],
    notes: ['no allocations.heapprofile, report.json, heap.heapsnapshot: the app runs as another user'],
  });
  t.strictSame((await report({ atMs: 1 }, { profile: false })).notes, ['no report.json: the app runs as another user']);
  const ofUptime = await report({ asked: 'uptime', reason: 'uptime', atMs: 2 }, { snapshot: true });
  t.strictSame(ofUptime.notes, ['no report.json: the app runs as another user']);
  t.strictSame([asked, taken], [[], []]);
});
