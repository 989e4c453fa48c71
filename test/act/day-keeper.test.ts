import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DayKeeper } from '../../src/act/day-keeper.js';
import { systemClock } from '../../src/clock.js';
import { configOf, workerOf, workersOf } from '../decide/support.js';
import { MemoryLog } from './support.js';

const { apps } = configOf("apps: [{ name: shop, supervisor: { pm2: shop } }, { name: 'ü/\\n', supervisor: { pm2: x } }]");
const WORKERS = () => workersOf(workerOf({ rssBytes: 5_000_000 }), { ...workerOf({ app: 'ü/\n', worker: '7' }), reading: workerOf({}).reading });

const messagesOf = (log: MemoryLog): string => log.entries.map(({ message }) => message).join('\n');

async function keeperIn(t: Test, stateDir: string) {
  const log = new MemoryLog();
  const keeper = await DayKeeper.open({ stateDir, clock: systemClock, log });
  t.teardown(() => keeper.close());
  return { keeper, log };
}

t.test('what one has kept, the next one has', async (t) => {
  const dir = t.testdir();
  const first = await keeperIn(t, dir);
  const now = Date.now();
  first.keeper.look(apps, new Map([...WORKERS()].map(([key, worker]) => [key, { ...worker, observedAtMs: now }])));
  await first.keeper.close();
  t.ok(first.keeper.savedAtMs! >= now);
  t.equal(statSync(join(dir, 'day.bin')).mode & 0o777, 0o600);
  t.strictSame(readdirSync(dir), ['day.bin'], 'no draft is left');
  const second = await keeperIn(t, dir);
  t.strictSame(second.keeper.book.pages.map(({ app, worker }) => [app, worker]), first.keeper.book.pages.map(({ app, worker }) => [app, worker]));
  t.equal(second.keeper.book.of('shop', '0')!.day.read(now).columns.resident.at(-1), 5_000_000);
  t.strictSame(second.log.entries, []);
});

t.test('a damaged file, one of another shape and a folder in its place begin anew, and say so', async (t) => {
  const dir = t.testdir();
  const { keeper } = await keeperIn(t, dir);
  keeper.look(apps, WORKERS());
  await keeper.close();
  const whole = readFileSync(join(dir, 'day.bin'));
  const other = Buffer.from(whole.toString('latin1').replace('"slices":720', '"slices":721'), 'latin1');
  const older = Buffer.from(whole.toString('latin1').replace('"gc_share"', '"gc"'), 'latin1');
  const damaged = [whole.subarray(0, -1), Buffer.alloc(0), Buffer.from('{}\n'), Buffer.from('null\n')];
  for (const file of [...damaged, other, older]) {
    writeFileSync(join(dir, 'day.bin'), file);
    const { keeper: next, log } = await keeperIn(t, dir);
    t.strictSame(next.book.pages, []);
    t.match(messagesOf(log), /the history of the last day begins anew: .*day\.bin is damaged, or of another version/);
  }
  const blocked = t.testdir({ 'day.bin': {} });
  const { keeper: deaf, log } = await keeperIn(t, blocked);
  t.match(messagesOf(log), /the history of the last day begins anew, it could not be read: .*day\.bin is no plain file; remove it/);
  deaf.look(apps, WORKERS());
  await deaf.close();
  t.equal(deaf.hasFailed, true);
  t.match(messagesOf(log), /the history of the last day could not be saved: /);
  t.strictSame(readdirSync(blocked), ['day.bin']);
});
