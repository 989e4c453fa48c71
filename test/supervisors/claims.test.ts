import t from 'tap';
import { Claims } from '../../src/supervisors/claims.js';
import type { ProcessTable, RestartReport, Slot, Supervisor, SupervisorKind } from '../../src/supervisors/contract.js';
import { isAlive, mustIdentify, processes } from '../observe/support.js';
import { reportOf } from './child-support.js';
import { external, runner, runningPids } from './external-support.js';
import { stopFirst } from './options.js';

const signal = new AbortController().signal;
const DONE: RestartReport = { stop: 'exited', pid: 9, goneAt: null, ready: null };

class Fake implements Supervisor {
  restarts = 0;
  down = false;
  delayMs = 0;
  constructor(readonly kind: SupervisorKind, public pids: number[], public others: number[] = []) {}
  async start() {}
  async slots(): Promise<Slot[]> {
    await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    if (this.down) throw new Error('it does not answer');
    return this.pids.map((pid, i) => ({ worker: String(i), pid, state: 'running' }));
  }
  beside() {
    return this.others;
  }
  async restart() {
    this.restarts += 1;
    return DONE;
  }
  async close() {}
}

/** Nobody has children, but for those given. */
function table(children: Record<number, number[]> = {}): ProcessTable {
  const below = (pid: number): number[] => [pid, ...(children[pid] ?? []).flatMap(below)];
  return {
    identify: async (pid) => ({ pid, start: 1 }),
    tree: async ({ pid }) => below(pid).map((member) => ({ pid: member, start: 1 })),
  };
}

function guarded(apps: Record<string, Fake>, processTable = table()) {
  const claims = new Claims({ processes: processTable, order: () => Object.keys(apps) });
  return Object.fromEntries(Object.entries(apps).map(([name, fake]) => [name, claims.guard(name, fake)])) as Record<string, Supervisor>;
}

const CONFLICT = {
  code: 'SUPERVISOR_REFUSED',
  message:
    'process 12 would be two apps\' at once: apps "shop" (pm2) and "web" (external); "web" is neither measured nor ' +
    'restarted until one of them says more narrowly which process it means',
};
const options = stopFirst({ stopTimeoutMs: 1000, signal });

t.test('the second app is the error, whoever answers first', async (t) => {
  for (const slow of ['shop', 'web']) {
    const fakes = { shop: new Fake('pm2', [11, 12]), web: new Fake('external', [12]), mail: new Fake('pm2', [13]) };
    fakes[slow as 'shop'].delayMs = 100;
    const { shop, web, mail } = guarded(fakes);
    const [first, second, third] = await Promise.allSettled([shop!.slots(), web!.slots(), mail!.slots()]);
    t.equal(first.status, 'fulfilled');
    t.match(second, { status: 'rejected', reason: CONFLICT });
    t.equal(third.status, 'fulfilled');
    await t.rejects(web!.restart('0', options), CONFLICT);
    t.equal(fakes.web.restarts, 0);
    t.equal(await shop!.restart('1', options), DONE, 'the first is in its right');
    fakes.shop.pids = [11];
    await shop!.slots();
    t.equal((await web!.slots())[0]!.pid, 12, 'and when it is over, it is over');
    t.equal(await web!.restart('0', options), DONE);
  }
});

t.test('what a supervisor knows beyond its slots is passed on', async (t) => {
  const ending = { worker: '0', pid: 12, atMs: 1, code: null, signal: 'SIGABRT', words: '' };
  const death = { cause: 'oom_kernel', atMs: 1, detail: 'so it said' } as const;
  const knowing = Object.assign(new Fake('pm2', [12]), {
    endings: async () => [ending],
    lastDeath: (worker: string) => (worker === '0' ? death : null),
  });
  const { shop, web } = guarded({ shop: knowing, web: new Fake('external', [13]) });
  t.strictSame(await shop!.endings!(), [ending]);
  t.strictSame([shop!.lastDeath!('0'), shop!.lastDeath!('1')], [death, null]);
  t.strictSame([await web!.endings!(), web!.lastDeath!('0')], [[], null]);
});

t.test('beside the slots, too', async (t) => {
  const { shop, web } = guarded({ shop: new Fake('pm2', [11], [12]), web: new Fake('external', [12]) });
  await shop!.slots();
  await t.rejects(web!.slots(), CONFLICT);
  t.strictSame(shop!.beside!(), [12]);
});

t.test('one that does not answer keeps what it had, and one that has gone does not', async (t) => {
  const fakes = { shop: new Fake('pm2', [12]), web: new Fake('external', [12]) };
  const { shop, web } = guarded(fakes);
  await shop!.slots();
  fakes.shop.down = true;
  await t.rejects(shop!.slots(), /does not answer/);
  await t.rejects(web!.slots(), CONFLICT);
  await shop!.close();
  t.equal((await web!.slots())[0]!.pid, 12);
});

t.test('before a restart the others are asked anew', async (t) => {
  const fakes = { shop: new Fake('pm2', [11]), web: new Fake('external', [12]) };
  const { shop, web } = guarded(fakes);
  await Promise.all([shop!.slots(), web!.slots()]);
  fakes.shop.pids = [12];
  await t.rejects(web!.restart('0', options), CONFLICT);
  t.equal(fakes.web.restarts, 0);
});

t.test('a restart that would take another app with it', async (t) => {
  const nested: Record<number, number[]>[] = [{ 11: [12] }, { 12: [20], 20: [11] }];
  for (const children of nested) {
    const fakes = { shop: new Fake('child', [11]), web: new Fake('external', [12]) };
    const { shop, web } = guarded(fakes, table(children));
    await Promise.all([shop!.slots(), web!.slots()]);
    await t.rejects(web!.restart('0', options), { code: 'SUPERVISOR_REFUSED', message: /^process 12 and process 11, of which one has started the other, would be two apps' at once: apps "shop" \(child\) and "web"/ });
    t.equal(fakes.web.restarts, 0);
  }
});

t.test('two external apps and one real process', async (t) => {
  const app = await runner(t);
  const claims = new Claims({ processes, order: () => ['first', 'second'] });
  const first = claims.guard('first', external({ match: app.match }).supervisor);
  const second = claims.guard('second', external({ pid_file: `${app.folder}/app.pid` }).supervisor);
  const [pid] = await runningPids(external({ match: app.match }));
  await reportOf(app.folder, pid!);
  t.equal((await first.slots())[0]!.pid, pid);
  await t.rejects(second.slots(), { message: new RegExp(`^process ${pid} would be .* "first" \\(external\\) and "second" \\(external\\)`) });
  await t.rejects(second.restart('0', options), { code: 'SUPERVISOR_REFUSED' });
  t.ok(await isAlive(await mustIdentify(pid!)));
  t.equal((await first.restart('0', stopFirst({ stopTimeoutMs: 15_000, signal }))).stop, 'exited');
});
