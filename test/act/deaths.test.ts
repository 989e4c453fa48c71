import t from 'tap';
import { Deaths } from '../../src/act/deaths.js';
import type { Remains } from '../../src/act/evidence/post-mortem.js';
import { remembered, type Death, type Recorded } from '../../src/act/incident.js';
import type { Death as ToldDeath, Ending, Supervisor } from '../../src/supervisors/contract.js';
import { MB, MINUTE, configOf } from '../decide/support.js';
import { World, deathOf, incidentOf } from './support.js';

const { apps } = configOf('apps: [{ name: shop, supervisor: { pm2: shop }, restart: { budget: 5/1h } }]');
const WORDS = 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n';
const ended = (pid: number, more: Partial<Ending> = {}): Ending => ({
  worker: '0', pid, atMs: Date.UTC(2026, 0, 2, 3, 4, 5), code: null, signal: 'SIGABRT', words: WORDS, ...more,
});

/** A world in which processes die as `die` says; `ask`: what the kernel was asked of. */
function mortal(settings: { journal?: () => Promise<void>; kill?: { pid: number | null; cgroup: string | null } | null } = {}) {
  const world = new World(...apps);
  const endings: Ending[] = [];
  const seen = { asked: [] as number[][], looked: [] as number[][], remains: [] as Remains[], journal: [] as Recorded[], told: [] as Death[] };
  Object.assign(world.supervisors.get('shop') as Supervisor, { endings: async () => endings.splice(0) });
  const deaths = new Deaths({
    supervisors: world.supervisors,
    kills: {
      look: async (pids) => void seen.looked.push([...pids]),
      of: async (tree) => (seen.asked.push([...tree]), settings.kill ?? null),
    },
    witness: { of: () => null },
    postMortem: { write: async (remains) => (seen.remains.push(remains), null) },
    history: world.history,
    journal: { record: async (incident) => (await settings.journal?.(), void seen.journal.push(incident)) },
    clock: world.clock,
    log: world.log,
    onDeath: (death) => void seen.told.push(death),
  });
  return { world, seen, die: (ending: Ending) => void endings.push(ending), look: (of = apps) => deaths.look(of, world.workers) };
}

t.test('a death is on record with what was last known of it, and counts for no restart', async (t) => {
  const { world, seen, die, look } = mortal();
  world.put({ pid: 90, rssBytes: 610 * MB, stats: { heap_used: 512 * MB, heap_limit: 520 * MB } });
  const measuredAtMs = world.clock.nowMs;
  await look();
  world.clock.nowMs += MINUTE;
  world.put({ pid: 90, rssBytes: 600 * MB, stats: null }); // its agent has gone before it
  await look();
  world.put({ pid: 91, rssBytes: 50 * MB });
  await look(); // told one look late
  die(ended(90));
  await look();
  const [death] = seen.told;
  t.match(death, { action: 'death', reason: 'oom_heap', app: 'shop', worker: '0', atMs: Date.UTC(2026, 0, 2, 3, 4, 5), measuredAtMs, before: { pid: 90, rssBytes: 610 * MB } });
  const time = new Date(measuredAtMs).toISOString().slice(11, 19);
  const sentence = `shop/0 died of V8's heap limit: heap 512 MB of 520 MB, resident 610 MB at ${time}Z (V8 said "Reached heap limit" and it was ended by SIGABRT); raise --max-old-space-size, or have it restarted before with a limit on heap`;
  t.equal(death!.sentence, sentence);
  t.equal(world.log.entries.length, 1);
  t.match(world.log.entries, [{ level: 'error', message: sentence, fields: { app: 'shop', worker: '0', action: 'death', reason: 'oom_heap', incident: death!.id } }]);
  t.strictSame([seen.journal, world.history.list({ limit: 9 })], [[death], [death]]);
  t.equal(seen.remains[0]!.words, WORDS);
  t.strictSame([world.history.open(), world.history.lastRestart('shop', '0'), world.history.budgetLeft('shop', { count: 5, windowMs: MINUTE }), world.history.fruitless('shop', '0')], [[], null, 5, []]);
  t.strictSame(seen.asked, [], 'the kernel is asked of kills alone');
  await look();
  t.equal(seen.told.length, 1);
});

t.test('what an agent told last is known for two looks more', async (t) => {
  for (const [silentLooks, rssBytes] of [[1, 610 * MB], [2, 610 * MB], [3, 604 * MB]] as const) {
    const { world, seen, die, look } = mortal();
    world.put({ pid: 90, rssBytes: 600 * MB });
    await look();
    world.put({ pid: 90, rssBytes: 610 * MB });
    await look();
    for (let i = 0; i < silentLooks; i++) {
      world.put({ pid: 90, rssBytes: (602 + i) * MB, stats: null });
      await look();
    }
    die(ended(90));
    await look();
    t.equal(seen.told[0]!.before!.rssBytes, rssBytes, `${silentLooks} looks after it`);
  }
});

t.test('what the kernel killed: asked of with all of its tree', async (t) => {
  const { world, seen, die, look } = mortal({ kill: { pid: 92, cgroup: null } });
  world.put({ pid: 90, rssBytes: 610 * MB, childrenRssBytes: 500 * MB });
  await look();
  t.equal(seen.looked[0]![0], 90);
  die(ended(90, { code: 137, signal: null, words: '' }));
  await look();
  t.equal(seen.asked[0]![0], 90);
  t.ok(seen.asked[0]!.length > 1, 'its children too');
  t.match(seen.told[0]!.sentence, /^shop\/0 was killed by the kernel for want of memory: .*resident 1.11 GB at .* \(it exited with code 137, and the kernel's log names process 92\); give it more memory/);
});

t.test('an end for another reason is no death, one that was never measured is', async (t) => {
  const { seen, die, look } = mortal();
  for (const other of [{ code: 1, signal: null }, { signal: 'SIGKILL', words: '' }, { signal: 'SIGTERM' }, { words: '' }]) die(ended(7, other));
  await look();
  t.strictSame(seen.told, []);
  die(ended(8));
  await look();
  t.match(seen.told, [{ before: null, measuredAtMs: null, sentence: /^shop\/0 died of V8's heap limit, before it was measured \(V8 said/ }]);
});

t.test('a journal that cannot be written costs the record, and nothing else', async (t) => {
  const { world, seen, die, look } = mortal({ journal: () => Promise.reject(new Error('no space left')) });
  die(ended(8));
  await look();
  t.equal(seen.told.length, 1);
  t.strictSame(world.log.at('error').slice(1), ['no space left']);
});

t.test('deaths are remembered apart from restarts and refusals', async (t) => {
  const restart = incidentOf({ id: 'r' });
  const deaths = Array.from({ length: 1100 }, (_, i) => deathOf({ id: `d${i}` }));
  const kept = remembered([restart, deathOf({ id: 'other', app: 'other' }), ...deaths]);
  t.strictSame(kept.slice(0, 3).map(({ id }) => id), ['r', 'other', 'd100']);
  t.equal(kept.length, 1002);
});

t.test('a death that the supervisor itself has found out is on record once, and one from before the first look is not', async (t) => {
  const { world, seen, look } = mortal();
  const at = (atMs: number, cause: 'oom_kernel' | 'other' = 'oom_kernel') => ({ cause, atMs, detail: 'systemd says Result=oom-kill' });
  let last = at(1);
  Object.assign(world.supervisors.get('shop') as Supervisor, { lastDeath: () => last });
  world.put({ pid: 90, rssBytes: 610 * MB });
  await look();
  last = at(world.clock.nowMs, 'other');
  await look();
  t.strictSame(seen.told, []);
  last = at(world.clock.nowMs + MINUTE);
  await look();
  await look();
  t.equal(seen.told.length, 1);
  const { atMs } = last;
  world.clock.nowMs += 2 * MINUTE;
  const another = { ...world.supervisors.get('shop')!, lastDeath: () => at(atMs + 400) } as Supervisor;
  world.supervisors.set('shop', another);
  await look();
  await look();
  t.equal(seen.told.length, 1, 'by another clock, or of another container that now bears the name');
  t.match(seen.told[0], { reason: 'oom_kernel', atMs, before: { pid: 90, rssBytes: 610 * MB } });
  t.match(seen.told[0]!.sentence, /^shop\/0 was killed by the kernel for want of memory: heap 30 MB of 100 MB, resident 610 MB at .* \(systemd says Result=oom-kill\); /);
});

t.test('what had died before the app was watched is not put on record, however late it is told', async (t) => {
  const { world, seen, look } = mortal();
  const yesterday = { cause: 'oom_kernel', atMs: world.clock.nowMs - 1440 * MINUTE, detail: 'Docker says OOMKilled' } as const;
  const supervisor = world.supervisors.get('shop') as Supervisor;
  const tells = (lastDeath: ToldDeath | null) => Object.assign(supervisor, { lastDeath: () => lastDeath });
  tells(null);
  world.put({ pid: null });
  await look(); // Docker does not answer yet
  tells(yesterday);
  world.clock.nowMs += MINUTE;
  await look();
  await look([]); // taken out of the config …
  tells({ ...yesterday, atMs: world.clock.nowMs });
  world.clock.nowMs += MINUTE;
  await look(); // … and put back
  t.strictSame(seen.told, []);
  tells({ ...yesterday, atMs: world.clock.nowMs });
  world.clock.nowMs += MINUTE;
  await look();
  t.match(seen.told, [{ reason: 'oom_kernel', before: null }], 'one since then is, though the worker was never seen alive');
  t.equal(seen.told.length, 1);
});
