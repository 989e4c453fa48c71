/** The referee catches each kind of offence: records without one, and the same with exactly one. */
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import t from 'tap';
import { waitFor } from '../integration/wait.js';
import { ownDescriptors } from './referee/descriptors.js';
import { curve } from './referee/curve.js';
import { holds, judge } from './referee/judge.js';
import type { Life, Records, Restart, WardenLook } from './referee/records.js';
import { verdict } from './referee/table.js';

const before = { pid: 100, start: 5000 };
const leaky: Life = { app: 'own', worker: '0', pid: 100, start: 5000, from: 10_000, to: 52_000, goesAt: null, over: [{ from: 40_000, to: 51_750 }], still: [] };
const frozen: Life = { app: 'pm2', worker: '1', pid: 200, start: 6000, from: 10_000, to: 45_000, goesAt: null, over: [], still: [{ from: 30_000, to: 45_000 }] };
const crashed: Life = { app: 'own', worker: '2', pid: 300, start: 7000, from: 10_000, to: 25_000, goesAt: 24_990, over: [], still: [] };
const calm: Life = { app: 'own', worker: '0', pid: 101, start: 9000, from: 52_500, to: null, goesAt: null, over: [], still: [] };
const leak: Restart = { id: 'one', app: 'own', worker: '0', asked: 'rss', before, seenAt: 50_000, result: 'recovered', doneAt: 54_000 };
const freeze: Restart = { id: 'two', app: 'pm2', worker: '1', asked: 'freeze', before: { pid: 200, start: 6000 }, seenAt: 41_000, result: 'recovered', doneAt: 47_000 };

const looks = (rssAt: (at: number) => number, fdsAt: (at: number) => number): WardenLook[] =>
  Array.from({ length: 600 }, (_look, i) => ({ at: i * 1000, pid: 9, rssBytes: rssAt(i), fds: fdsAt(i) }));

/** Nothing in it is wrong. */
const good = (): Records => ({
  rules: {
    sampleIntervalMs: 2000, fallbackMs: 6000, cooldownMs: 20_000, rssLimitBytes: 110e6, rssForMs: 4000, freezeLimitMs: 4000,
    wardenMostBytes: 300e6, wardenMostFds: 600, apps: [{ name: 'own', supervisor: 'child' }, { name: 'pm2', supervisor: 'pm2' }],
  },
  chaos: { down: [], full: [], clock: [], endedAt: 600_000 },
  lives: [leaky, frozen, crashed, calm].map((life) => structuredClone(life)),
  journal: { restarts: [structuredClone(leak), structuredClone(freeze)], refusals: [], doubled: [], damaged: 0 },
  warden: looks((i) => 80e6 + (i % 7) * 1e6, (i) => 90 + (i % 3)),
  blind: [],
});

const offences = (records: Records): string[] => judge(records).flatMap(({ check, violations }) => violations.map(() => check));

t.test('nothing wrong', async (t) => {
  t.strictSame(offences(good()), []);
  t.ok(holds(judge(good())));
  t.notMatch(verdict(judge(good())), /NOT/);
});

t.test('the curve', async (t) => {
  const records = good();
  records.warden.push({ at: 599_500, pid: 10, rssBytes: 200e6, fds: 300 });
  const rows = curve(records).split('\n').map((row) => row.trim().split(/ {2,}/));
  t.equal(rows.length, 13);
  t.strictSame(rows[0], ['until minute', "the warden's memory, MB", 'descriptors', 'wardens', 'restarts', 'workers that ended']);
  t.strictSame(rows[1], ['0.8', '80 to 86', '90 to 92', '1', '1', '2']);
  t.strictSame(rows[2], ['1.7', '80 to 86', '90 to 92', '1', '1', '1']);
  t.strictSame(rows[12], ['10.0', '80 to 200', '90 to 300', '2', '0', '0']);
  t.equal(curve({ ...records, warden: [] }), '');
});

type Defect = [what: string, check: string, spoil: (records: Records) => void];
const defects: Defect[] = [
  ['a run in which nothing was looked at', 'nothing to judge', (records) => void (records.warden = [])],
  ['a run in which nothing ran', 'nothing to judge', (records) => {
    records.lives = [];
    records.journal.restarts = [];
  }],
  ['a leak that nobody restarts', 'over the memory limit without an incident', ({ lives, journal }) => {
    lives[0] = { ...leaky, to: null, over: [{ from: 40_000, to: 60_000 }] };
    lives.splice(3, 1);
    journal.restarts.shift();
  }],
  ['a leak whose incident comes too late', 'over the memory limit without an incident', ({ lives, journal }) => {
    lives[0]!.over = [{ from: 30_000, to: 51_750 }];
    journal.restarts[0]!.seenAt = 46_000;
  }],
  ['a refusal for another reason than the leak does not count', 'over the memory limit without an incident', ({ lives, journal }) => {
    lives.push({ ...calm, over: [{ from: 100_000, to: 130_000 }] });
    lives.splice(3, 1);
    journal.refusals.push({ app: 'own', worker: '0', asked: 'rss', reason: 'not_breaching', before: { pid: 101, start: 9000 }, seenAt: 101_000 });
  }],
  ['a cooldown that never ends', 'over the memory limit without an end', ({ lives, journal }) => {
    lives[3]!.over = [{ from: 56_000, to: 300_000 }];
    journal.refusals.push({ app: 'own', worker: '0', asked: 'rss', reason: 'cooldown', before: { pid: 101, start: 9000 }, seenAt: 61_000 });
  }],
  ['a restart that hangs', 'a restart without an outcome', ({ journal }) => {
    journal.restarts.push({ ...leak, id: 'three', worker: '2', before: { pid: 300, start: 7000 }, seenAt: 24_500, result: null, doneAt: null });
  }],
  ['a freeze that nobody restarts', 'frozen without an incident', ({ lives, journal }) => {
    lives[1]!.to = null;
    lives[1]!.still = [{ from: 30_000, to: 60_000 }];
    journal.restarts.pop();
  }],
  ['a restart of one that was below its limit', 'restart without a breach', ({ lives }) => void (lives[0]!.over = [])],
  ['a restart after less than its for', 'restart without a breach', ({ lives }) => void (lives[0]!.over = [{ from: 49_500, to: 51_750 }])],
  ['a restart long after the leak was over', 'restart without a breach', ({ lives }) => void (lives[0]!.over = [{ from: 30_000, to: 41_000 }])],
  ['a restart of one that turned its loop', 'restart without a breach', ({ lives }) => void (lives[1]!.still = [{ from: 38_900, to: 40_500 }])],
  ['a restart of a process that there never was', 'restart without a breach', ({ journal }) => {
    journal.restarts.push({ ...leak, id: 'three', worker: '7', before: { pid: 999, start: 1 }, result: 'failed' });
  }],
  ['a restart for something that has no limit here', 'restart without a breach', ({ journal }) => void (journal.restarts[0]!.asked = 'uptime')],
  ['a process that is gone, and nobody says why', 'ended, and nobody says why', ({ lives }) => void (lives[2]!.goesAt = null)],
  ['a restart that is not in the journal', 'ended, and nobody says why', ({ lives }) => void (lives[3]!.to = 90_000)],
  ['a restart of PM2 while the warden is dead', 'ended, and nobody says why', ({ lives, chaos }) => {
    chaos.down.push({ from: 100_000, to: 110_000 });
    lives.push({ ...frozen, pid: 201, start: 9001, from: 46_000, to: 105_000, still: [] });
  }],
  ['two restarts within a cooldown', 'two restarts within a cooldown', ({ lives, journal }) => {
    lives[3] = { ...calm, to: 66_000, over: [{ from: 58_000, to: 65_900 }] };
    journal.restarts.push({ ...leak, id: 'three', before: { pid: 101, start: 9000 }, seenAt: 65_000, doneAt: 67_000 });
  }],
  ['a cooldown that is cut by more than the clock was moved', 'two restarts within a cooldown', ({ lives, journal, chaos }) => {
    chaos.clock.push({ at: 53_000, aheadMs: 2000 });
    chaos.down.push({ from: 54_000, to: 55_000 });
    lives[3] = { ...calm, to: 66_000, over: [{ from: 56_000, to: 65_900 }] };
    journal.restarts.push({ ...leak, id: 'three', before: { pid: 101, start: 9000 }, seenAt: 65_000, doneAt: 67_000 });
  }],
  ['an incident that stands in the journal twice', 'each restart in the journal once', ({ journal }) => void journal.doubled.push('one')],
  ['one restart under two ids', 'each restart in the journal once', ({ journal }) => {
    journal.restarts.push({ ...freeze, id: 'three', seenAt: 62_000, doneAt: 63_000 });
    journal.restarts.splice(1, 1, { ...freeze, seenAt: 36_000, doneAt: 47_000 });
  }],
  ['a restart that was never made', 'each restart in the journal once', ({ lives }) => void (lives[1]!.to = null)],
  ['a line that cannot be read', 'each restart in the journal once', ({ journal }) => void (journal.damaged = 1)],
  ['a warden that leaks', "the warden's memory flat", (records) => void (records.warden = looks((i) => 80e6 + i * 1e5, () => 90))],
  ['a warden that grows too large', "the warden's memory flat", ({ warden }) => void (warden[300]!.rssBytes = 301e6)],
  ['a warden that loses descriptors', "the warden's descriptors flat", (records) => void (records.warden = looks(() => 80e6, (i) => 90 + Math.floor(i / 10)))],
];

for (const [what, check, spoil] of defects) {
  t.test(`caught: ${what}`, async (t) => {
    const records = good();
    spoil(records);
    t.ok(offences(records).includes(check), `found: ${JSON.stringify(judge(records).flatMap(({ violations }) => violations))}`);
    t.notOk(holds(judge(records)));
    t.match(verdict(judge(records)), new RegExp(`${check} .*TIMES NOT`));
  });
}

t.test('what is excused', async (t) => {
  const isGood = (what: string, change: (records: Records) => void) => {
    const records = good();
    change(records);
    t.strictSame(judge(records).flatMap(({ violations }) => violations), [], what);
  };
  isGood('a leak that begins while the warden is dead counts from its return', ({ chaos, lives, journal }) => {
    chaos.down.push({ from: 26_000, to: 45_000 });
    lives[0]!.over = [{ from: 30_000, to: 51_750 }];
    lives.splice(1, 1);
    journal.restarts.pop();
  });
  isGood('a leak while its disk is full', ({ chaos, lives }) => {
    chaos.full.push({ from: 29_000, to: 45_000 });
    lives[0]!.over = [{ from: 30_000, to: 51_750 }];
  });
  isGood('a leak in a cooldown that is on record', ({ lives, journal }) => {
    lives[3]!.over = [{ from: 56_000, to: 100_000 }];
    journal.refusals.push({ app: 'own', worker: '0', asked: 'rss', reason: 'cooldown', before: { pid: 101, start: 9000 }, seenAt: 61_000 });
  });
  isGood('a restart under way when all is over, or while the warden was dead for long', ({ chaos, lives, journal }) => {
    chaos.down.push({ from: 100_000, to: 110_000 }, { from: 200_000, to: 210_000 });
    chaos.full.push({ from: 300_000, to: 310_000 }, { from: 400_000, to: 410_000 });
    lives[3] = { ...calm, to: 309_000, over: [{ from: 90_000, to: 309_000 }] };
    journal.restarts.push({ ...leak, id: 'three', before: { pid: 101, start: 9000 }, seenAt: 99_000, result: 'recovered', doneAt: 310_000 });
  });
  isGood('a short silence', ({ lives }) => void lives[3]!.still.push({ from: 60_000, to: 63_900 }));
  isGood('a silence that began before the warden came back, and nobody could hear', ({ chaos, lives }) => {
    chaos.down.push({ from: 70_000, to: 75_000 });
    lives.push({ ...frozen, pid: 201, start: 9001, from: 46_000, to: null, still: [{ from: 72_000, to: 120_000 }] });
  });
  isGood("heapwarden's own children go with it", ({ chaos, lives }) => {
    chaos.down.push({ from: 70_000, to: 75_000 });
    lives[3]!.to = 73_000;
  });
  isGood('what ends after the end', ({ chaos, lives }) => {
    chaos.endedAt = 590_000;
    lives[3]!.to = 591_000;
  });
  isGood('a cooldown by a clock that was moved while the warden was dead', ({ lives, journal, chaos }) => {
    chaos.clock.push({ at: 53_000, aheadMs: 60_000 });
    chaos.down.push({ from: 54_000, to: 55_000 });
    lives[3] = { ...calm, to: 66_000, over: [{ from: 56_000, to: 65_900 }] };
    journal.restarts.push({ ...leak, id: 'three', before: { pid: 101, start: 9000 }, seenAt: 65_000, doneAt: 67_000 });
  });
  const short = good();
  short.warden = short.warden.slice(0, 60);
  t.match(verdict(judge(short)), /the warden's memory flat .* not judged /, 'too short a life is told');
});

t.test("a process's own descriptors", async (t) => {
  // It never closes a connection by itself, not even one that the other end has closed.
  const program = `require('net').createServer({ allowHalfOpen: true }, (s) => s.resume()).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`;
  const server = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => server.kill('SIGKILL'));
  const port = Number(String(await new Promise<Buffer>((resolve) => server.stdout.once('data', resolve))));
  const alone = ownDescriptors(server.pid!);
  const all = () => readdirSync(`/proc/${server.pid}/fd`).length;
  const allAlone = all();
  const clients = Array.from({ length: 5 }, () => connect(port, '127.0.0.1'));
  await waitFor('the connections to stand', () => all() === allAlone + 5);
  t.equal(ownDescriptors(server.pid!), alone, 'connections that stand belong to whoever has opened them');
  t.equal(ownDescriptors(server.pid!, 3), alone + 2, 'more than anybody keeps of them do not');
  for (const client of clients) client.end();
  await waitFor('connections left open to count', () => ownDescriptors(server.pid!) === alone + 5);
  t.pass('those that the other end has closed are its own');
});

t.test('it thinks with its own head', async (t) => {
  const folder = new URL('referee/', import.meta.url);
  for (const name of readdirSync(folder)) {
    const imports = [...readFileSync(new URL(name, folder), 'utf8').matchAll(/from '([^']+)'/g)].map(([, from]) => from!);
    t.ok(imports.every((from) => from.startsWith('node:') || from.startsWith('./')), `${name} imports nothing of heapwarden`);
  }
});
