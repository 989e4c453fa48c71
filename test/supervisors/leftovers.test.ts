import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import type { ProcessId, Slot } from '../../src/supervisors/contract.js';
import { Leftovers, markedEnvironment } from '../../src/supervisors/leftovers.js';
import { MemoryLog, endOf, isAlive, mustIdentify, plainNode, processes, run, said } from '../observe/support.js';
import {
  CHILD_APP, CHILD_WARDEN, childOf, freePort, reportFolder, reportOf, runningIn, supervise,
} from './child-support.js';
import { stopFirst } from './options.js';

const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

const unreadable = (path: string) => `warn ${path} cannot be read; processes of an earlier heapwarden may still run`;
const recorded = (record: object) => JSON.stringify(record);

async function open(path: string) {
  const log = new MemoryLog();
  const leftovers = await Leftovers.open(path, { processes, clock: systemClock, log });
  return { leftovers, log, said: () => log.entries.map(({ level, message }) => `${level} ${message}`) };
}

/** Runs a warden with an app until it is killed with SIGKILL, which leaves the app behind. */
async function killedWarden(t: Test, folder: string, env: Record<string, string>, instances = 1): Promise<ProcessId[]> {
  const settings = { folder, command: plainNode(CHILD_APP), env: { REPORT_DIR: folder, ...env }, instances };
  const [program, ...args] = plainNode('--import', 'tsx', CHILD_WARDEN, JSON.stringify(settings));
  const warden = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => warden.kill('SIGKILL'));
  const slots = JSON.parse(await said(warden)) as Slot[];
  const ids = await Promise.all(slots.map(({ pid }) => mustIdentify(pid!)));
  await Promise.all(ids.map(({ pid }) => (env['CHILD_HOW'] ? childOf : reportOf)(folder, pid)));
  warden.kill('SIGKILL');
  await endOf(warden);
  return ids;
}

t.test('what a killed warden left behind is stopped by the next one, before it starts its own', async (t) => {
  const folder = await reportFolder(t);
  const port = String(await freePort());
  const [old] = await killedWarden(t, folder, { PORT: port });
  t.ok(await isAlive(old!), 'an orphan, which holds the port');
  const { leftovers, said } = await open(join(folder, 'children.json'));
  t.strictSame(leftovers.apps, ['shop']);
  const app = await supervise(t, { leftovers, env: { PORT: port } });
  await app.supervisor.start();
  t.notOk(await isAlive(old!));
  t.ok(await app.ready(), 'the new one has the port');
  t.strictSame(leftovers.apps, []);
  t.strictSame(said(), [`warn shop: stopped process ${old!.pid}, left behind by an earlier heapwarden`]);
  t.strictSame(app.log.entries, [], 'it did not crash for the port');
});

t.test('all of its workers, at once, with their children', async (t) => {
  const folder = await reportFolder(t);
  await killedWarden(t, folder, { HOW: 'wrapper', CHILD_HOW: 'stubborn' }, 3);
  const { leftovers } = await open(join(folder, 'children.json'));
  const begun = performance.now();
  await leftovers.stop('shop', 3000);
  const took = performance.now() - begun;
  t.strictSame(await runningIn(folder), []);
  t.ok(took >= 3000 && took < 8500, `${took} ms: one timeout, not three`);
});

t.test('a record names its process by its start, too', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'children.json');
  const { pid, start } = await mustIdentify(run(t, 'sleep', '1000').pid);
  const record = (changes: object) => JSON.stringify({ boot, apps: { shop: [{ pid, start }] }, ...changes });
  const records: [string, string][] = [
    ['a younger process has the pid', record({ apps: { shop: [{ pid, start: start - 1 }] } })],
    ['an older one', record({ apps: { shop: [{ pid, start: start + 1 }] } })],
    ['a process of another boot', record({ boot: '00000000-0000-0000-0000-000000000000' })],
    ['a record of a system that tells no boot', record({ boot: '' })],
  ];
  for (const [name, text] of records) {
    writeFileSync(path, text);
    const { leftovers, said } = await open(path);
    await leftovers.stop('shop', 1000);
    t.ok(await isAlive({ pid, start }), name);
    t.strictSame(said(), []);
  }
  writeFileSync(path, record({}));
  const { leftovers } = await open(path);
  await leftovers.stop('another app', 1000);
  t.ok(await isAlive({ pid, start }), 'a record of another app');
  await leftovers.stop('shop', 1000);
  t.notOk(await isAlive({ pid, start }), 'and the right record does stop it');
});

t.test('a damaged file names nobody', async (t) => {
  const path = join(t.testdir(), 'children.json');
  const { pid, start } = await mustIdentify(run(t, 'sleep', '1000').pid);
  const id = { pid, start };
  const texts = [
    '', '{', 'null', '[]', '7', '"x"', '{}', '\0'.repeat(100), recorded({ boot, apps: { shop: [id] } }).slice(0, -3),
    ...[{ boot }, { boot, apps: null }, { apps: { shop: [id] } }, { boot: 5, apps: { shop: [id] } }].map(recorded),
    ...[-1, 0, 1, 1.5, '1', null].map((bad) => recorded({ boot, apps: { shop: [id, { pid: bad, start }] } })),
    ...[[id, null], id, [{ pid }], 'x'].map((shop) => recorded({ boot, apps: { shop } })),
    recorded({ boot, apps: { shop: [id], mail: 'x' } }),
  ];
  for (const text of texts) {
    writeFileSync(path, text);
    const { leftovers, said } = await open(path);
    t.strictSame(leftovers.apps, [], JSON.stringify(text.slice(0, 60)));
    t.strictSame(said(), [unreadable(path)]);
    await leftovers.stop('shop', 100);
    await leftovers.remember('shop', [id]);
    t.strictSame((await open(path)).leftovers.apps, ['shop'], 'and it is written anew');
  }
  t.ok(await isAlive(id));
});

t.test('no file is no matter, an unreadable one is', async (t) => {
  const path = join(t.testdir(), 'children.json');
  t.strictSame((await open(path)).said(), []);
  mkdirSync(path);
  t.strictSame((await open(path)).said(), [unreadable(path)]);
});

t.test('what it remembers, the next one finds', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'children.json');
  const { leftovers } = await open(path);
  const names = ['shop', '__proto__', 'constructor', "Bob's \"shop\"", 'ü'];
  for (const [i, name] of names.entries()) await leftovers.remember(name, [{ pid: 4_000_000 + i, start: 5 }]);
  t.strictSame((await open(path)).leftovers.apps, names, 'whatever the apps are called');
  t.equal(statSync(path).mode & 0o777, 0o600);
  await leftovers.remember('shop', []);
  t.strictSame((await open(path)).leftovers.apps, names.slice(1));
  t.strictSame(readdirSync(folder), ['children.json'], 'no draft is left');

  const all = Array.from({ length: 50 }, (_, i) => leftovers.remember('shop', [{ pid: 5_000_000 + i, start: 5 }]));
  await Promise.all(all);
  const written = JSON.parse(readFileSync(path, 'utf8')) as { apps: { shop: ProcessId[] } };
  t.strictSame(written.apps.shop, [{ pid: 5_000_049, start: 5 }], 'the last word counts');

  const { leftovers: next } = await open(path);
  for (const name of names) await next.stop(name, 100);
  t.strictSame(next.apps, []);
});

t.test('what changes at once is one write, which holds all of it', async (t) => {
  const path = join(t.testdir(), 'children.json');
  const { leftovers } = await open(path);
  const shop = () => (JSON.parse(readFileSync(path, 'utf8')) as { apps: { shop: ProcessId[] } }).apps.shop;
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => ({ pid: i + 2, start: 1 }));
  const first = Array.from({ length: 100 }, (_, i) => leftovers.remember('shop', upTo(i + 1)));
  t.equal(new Set(first).size, 1);
  await Promise.resolve(); // it has begun, and is too late for what comes now
  const second = [200, 300].map((count) => leftovers.remember('shop', upTo(count)));
  t.notOk(first.includes(second[0]!));
  t.equal(second[0], second[1]);
  await first[0];
  t.ok(shop().length >= 100);
  await second[0];
  t.same(shop(), upTo(300));
});

t.test('an app that has not been looked after yet is not forgotten', async (t) => {
  const path = join(t.testdir(), 'children.json');
  const { leftovers } = await open(path);
  await leftovers.remember('shop', [{ pid: 4_000_000, start: 5 }]);
  await leftovers.remember('mail', [{ pid: 4_000_001, start: 5 }]);
  const { leftovers: next } = await open(path);
  await next.remember('other', [{ pid: 4_000_002, start: 5 }]);
  t.strictSame((await open(path)).leftovers.apps.toSorted(), ['mail', 'other', 'shop']);
  const child = run(t, 'sh', '-c', 'trap "" TERM; echo up; while :; do sleep 0.05; done');
  await said(child);
  await next.remember('stubborn', [await mustIdentify(child.pid)]);
  const { leftovers: third } = await open(path);
  const stopping = third.stop('stubborn', 600);
  await third.remember('other', []);
  t.ok((await open(path)).leftovers.apps.includes('stubborn'), 'nor one that is being stopped');
  await stopping;
  await third.remember('other', []);
  t.notOk((await open(path)).leftovers.apps.includes('stubborn'));
});

t.test('a folder that cannot be written is told once, and hurts nobody', async (t) => {
  const folder = join(t.testdir(), 'away');
  const path = join(folder, 'children.json');
  const { leftovers, said } = await open(path);
  const app = await supervise(t, { leftovers, instances: 2 });
  await app.supervisor.start();
  await Promise.all([app.ready('0'), app.ready('1')]);
  await app.supervisor.restart('0', stopFirst({ stopTimeoutMs: 2000, signal: new AbortController().signal }));
  t.equal(said().length, 1);
  t.match(said()[0], /^error .*children\.json cannot be written: ENOENT.*; if heapwarden is killed, its apps will/);
  mkdirSync(folder);
  t.equal((await app.supervisor.slots()).length, 2);
  t.ok(existsSync(path), 'and once it can, it is, at the next look, though nothing has changed');
  t.strictSame((await open(path)).leftovers.apps, ['shop']);
  rmSync(folder, { recursive: true });
  await app.supervisor.close();
  t.equal(said().length, 2, 'a new failure is told again');
});

t.test('a process that cannot be stopped does not keep the app from being started', async (t) => {
  const path = join(t.testdir(), 'children.json');
  writeFileSync(path, JSON.stringify({ boot, apps: { shop: [{ pid: 4_000_000, start: 5 }] } }));
  const log = new MemoryLog();
  const broken = { identify: async () => null, tree: () => Promise.reject(new Error('EMFILE')) };
  const leftovers = await Leftovers.open(path, { processes: broken, clock: systemClock, log });
  const app = await supervise(t, { leftovers });
  await app.supervisor.start();
  t.ok(await app.ready());
  t.strictSame(log.entries.map(({ message }) => message), [
    'shop: process 4000000, left behind by an earlier heapwarden, could not be stopped: EMFILE',
  ]);
});

t.test('a process that was started just before its warden died, and is known by its mark alone', async (t) => {
  const path = join(t.testdir(), 'children.json');
  await (await open(path)).leftovers.remember('shop', [], ['mark-of-this-test']);
  const start = (mark: string) => {
    const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore', env: markedEnvironment(mark) });
    t.teardown(() => child.kill('SIGKILL'));
    return mustIdentify(child.pid!);
  };
  const [marked, other] = [await start('mark-of-this-test'), await start('mark-of-another')];
  const { leftovers } = await open(path);
  t.strictSame(leftovers.apps, ['shop']);
  await leftovers.stop('shop', 1000);
  t.notOk(await isAlive(marked));
  t.ok(await isAlive(other));
  await leftovers.remember('mail', []);
  t.strictSame((await open(path)).leftovers.apps, [], 'it is forgotten');
});
