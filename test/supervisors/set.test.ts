import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { AppConfig } from '../../src/config/schema.js';
import type { Supervisor } from '../../src/supervisors/contract.js';
import { SupervisorSet } from '../../src/supervisors/set.js';
import { MemoryLog } from '../observe/support.js';

const NOT_CONFIGURED = 'its supervisor is not available in this version';

/** What `pm2` says is what happens: the fakes do as they are called. */
function app(name: string, pm2 = name, changes: object = {}): AppConfig {
  const restart = { stop_timeout: 10_000, cooldown: 0 };
  return { name, supervisor: { pm2 }, runtime: 'agent', restart, limits: {}, ...changes } as unknown as AppConfig;
}

function makeSet() {
  const events: string[] = [];
  const log = new MemoryLog();
  const set = new SupervisorSet(({ name, supervisor: { pm2 = '' } }): Supervisor => {
    if (pm2.includes('impossible')) throw new Error(NOT_CONFIGURED);
    const act = async (what: string) => {
      events.push(`${what} ${pm2}`);
      if (pm2.includes('slow')) await sleep(50);
      if (pm2.includes(`bad ${what}`)) throw new Error(`no ${what} today`);
      events.push(`${what} ${pm2} done`);
    };
    return {
      kind: 'pm2',
      start: () => act('start'),
      close: () => act('close'),
      slots: async () => [{ worker: name, pid: null, state: 'stopped' }],
      restart: async () => ({ stop: 'gone', pid: null, goneAt: null, ready: null }),
    };
  }, log);
  const since = () => events.splice(0).filter((event) => event.endsWith(' done')).map((event) => event.slice(0, -5));
  return { set, events, since, said: () => log.entries.map(({ level, message }) => `${level} ${message}`) };
}

t.test('a reload starts what is new, closes what is gone, replaces what has changed', async (t) => {
  const { set, since } = makeSet();
  await set.apply([app('shop'), app('mail'), app('chat')]);
  t.strictSame(since(), ['start shop', 'start mail', 'start chat']);
  t.strictSame([...set.byApp.keys()], ['shop', 'mail', 'chat']);
  const [shop, mail, chat] = ['shop', 'mail', 'chat'].map((name) => set.byApp.get(name));

  await set.apply([app('shop'), app('mail', 'mail 2'), app('news')]);
  t.strictSame(since().toSorted(), ['close chat', 'close mail', 'start mail 2', 'start news']);
  t.strictSame([...set.byApp.keys()].toSorted(), ['mail', 'news', 'shop']);
  t.equal(set.byApp.get('shop'), shop, 'the very same');
  t.not(set.byApp.get('mail'), mail);
  t.not(set.byApp.get('news'), chat);

  await set.apply([]);
  t.strictSame(since().toSorted(), ['close mail 2', 'close news', 'close shop']);
  t.equal(set.byApp.size, 0);
});

t.test('what a supervisor is not made of changes nothing', async (t) => {
  const { set, since } = makeSet();
  await set.apply([app('shop')]);
  const shop = set.byApp.get('shop');
  const limits = { rss: { restart: 5 } };
  await set.apply([app('shop', 'shop', { limits, restart: { stop_timeout: 7000, cooldown: 7 } })]);
  t.equal(set.byApp.get('shop'), shop);
  t.strictSame(since(), ['start shop']);
  await set.apply([app('shop', 'shop', { runtime: 'none' })]);
  t.not(set.byApp.get('shop'), shop, 'its runtime does, as it is what is preloaded');
  t.strictSame(since(), ['close shop', 'start shop']);
});

t.test('a changed app is seen until its old processes have gone', async (t) => {
  const { set, events } = makeSet();
  await set.apply([app('shop', 'slow')]);
  const old = set.byApp.get('shop');
  const reload = set.apply([app('shop', 'slow 2')]);
  await sleep(10);
  t.strictSame(events.slice(2), ['close slow']);
  t.equal(set.byApp.get('shop'), old);
  await reload;
  t.strictSame(events.slice(2), ['close slow', 'close slow done', 'start slow 2', 'start slow 2 done']);
  t.not(set.byApp.get('shop'), old);
});

t.test('an app that cannot be started hurts no other', async (t) => {
  const { set, since, said } = makeSet();
  await set.apply([app('a', 'impossible'), app('b', 'bad start'), app('c', 'slow'), app('d', 'bad close')]);
  t.strictSame(since(), ['start bad close', 'start slow']);
  t.strictSame([...set.byApp.keys()], ['b', 'c', 'd'], 'one that has not started yet may come to life by itself');
  t.strictSame(said(), [`error a: ${NOT_CONFIGURED}`, 'error b: no start today']);
  await set.apply([app('c', 'slow')]);
  t.strictSame([...set.byApp.keys()], ['c'], 'one that cannot be closed is let go');
  t.strictSame(said().slice(2), ['error d: no close today']);
  await set.apply([app('a', 'impossible'), app('c', 'slow')]);
  t.equal(said().at(-1), `error a: ${NOT_CONFIGURED}`, 'it is tried again');
});

t.test('two reloads at once are one after the other', async (t) => {
  const { set, events } = makeSet();
  await set.apply([app('shop', 'slow 1')]);
  events.splice(0);
  await Promise.all([set.apply([app('shop', 'slow 2'), app('mail')]), set.apply([app('shop', 'slow 3')])]);
  const whole = events.filter((event) => !event.includes('mail'));
  const steps = ['close slow 1', 'start slow 2', 'close slow 2', 'start slow 3'];
  t.strictSame(whole, steps.flatMap((step) => [step, `${step} done`]), 'never two of one app at a time');
  t.strictSame([...set.byApp.keys()], ['shop'], 'and the later config has the last word');
});

t.test('a close', async (t) => {
  const { set, since } = makeSet();
  await set.apply([app('shop'), app('mail', 'bad close')]);
  const reload = set.apply([app('shop', 'slow'), app('chat')]);
  await Promise.all([reload, set.close()]);
  t.equal(set.byApp.size, 0);
  const events = since();
  const count = (what: string) => events.filter((event) => event.startsWith(what)).length;
  t.equal(count('start shop') + count('start slow') + count('start chat'), count('close'), 'what started is closed');
  await set.apply([app('shop')]);
  t.equal(set.byApp.size, 0, 'and nothing is started any more');
  t.strictSame(since(), []);
  await set.close();
});
