import t from 'tap';
import { systemClock, type Clock } from '../../src/clock.js';
import { parseConfig } from '../../src/config/parse.js';
import type { Config } from '../../src/config/schema.js';
import { ConfigStore } from '../../src/config/store.js';
import { HeapwardenError } from '../../src/errors.js';
import { HOST } from './report-of.js';

const parse = (text: string) => parseConfig(text, { ...HOST, file: '/etc/heapwarden/heapwarden.yml' });

function storeOver(initial: Config, load: () => Promise<Config>) {
  const time = { now: 1000 };
  const clock: Clock = {
    now: () => time.now,
    monotonic: () => time.now,
    sleep: () => Promise.reject(new Error('a store does not wait')),
  };
  return { time, store: new ConfigStore(initial, load, clock) };
}

t.test('a reload swaps the whole config', async (t) => {
  const [before, after] = [parse('sample_interval: 5s'), parse('sample_interval: 10s')];
  const { store, time } = storeOver(before, async () => after);
  t.equal(store.current, before);
  t.strictSame(store.lastReload, { successful: true, successAtMs: 1000 }, 'the start counts');
  time.now = 2000;
  const swapped = await store.reload();
  t.equal(swapped.before, before);
  t.equal(swapped.after, after);
  t.equal(store.current, after);
  t.strictSame(store.lastReload, { successful: true, successAtMs: 2000 });
});

t.test('a reload that fails keeps the running config, and the next one may succeed', async (t) => {
  const texts = ['sample_interval: soon', 'sample_interval: 10s'];
  const before = parse('sample_interval: 5s');
  const { store, time } = storeOver(before, async () => parse(texts.shift() ?? ''));
  time.now = 2000;
  await t.rejects(store.reload(), { code: 'CONFIG_INVALID', message: /"soon" is not a duration/ });
  t.equal(store.current, before);
  t.strictSame(store.lastReload, { successful: false, successAtMs: 1000 });
  time.now = 3000;
  await store.reload();
  t.equal(store.current.sample_interval, 10_000);
  t.strictSame(store.lastReload, { successful: true, successAtMs: 3000 });
});

t.test('what only a start reads cannot change', async (t) => {
  const before = parse('state_dir: /a\nauth: { token_file: /t }\nagent_socket: /s');
  const changes: [string, string][] = [
    ['state_dir: /b\nauth: { token_file: /t }\nagent_socket: /s', 'state_dir from /a to /b'],
    ['state_dir: /a\nauth: { token_file: /u }\nagent_socket: /s', 'auth.token_file from /t to /u'],
    ['state_dir: /a\nauth: { token_file: /t }\nagent_socket: /r', 'agent_socket from /s to /r'],
    ['state_dir: /a\nauth: { token_file: /t }\nagent_socket: /s\nagent_socket_group: 1000', 'agent_socket_group from none to 1000'],
    [
      'state_dir: /b\nauth: { token_file: /u }\nagent_socket: /s',
      'state_dir from /a to /b, or auth.token_file from /t to /u',
    ],
  ];
  for (const [text, change] of changes) {
    const { store } = storeOver(before, async () => parse(text));
    const error: unknown = await store.reload().catch((reason: unknown) => reason);
    if (!(error instanceof HeapwardenError)) throw new Error('expected a HeapwardenError', { cause: error });
    t.equal(error.code, 'CONFIG_NEEDS_RESTART');
    t.equal(
      error.message,
      `a reload cannot change ${change}; restart heapwarden for that, or undo the change. ` +
        'The config from before stays in force.',
    );
    t.equal(store.current, before);
    t.equal(store.lastReload.successful, false);
  }
});

t.test('reloads run one after another, also after one that failed', async (t) => {
  const loads: { resolve(config: Config): void; reject(error: Error): void }[] = [];
  const load = () => new Promise<Config>((resolve, reject) => loads.push({ resolve, reject }));
  const configs = ['1s', '2s', '3s'].map((interval) => parse(`sample_interval: ${interval}`));
  const [initial, second, third] = configs as [Config, Config, Config];
  const { store } = storeOver(initial, load);

  const reloads = [store.reload(), store.reload(), store.reload()].map((reload) =>
    reload.then(
      ({ before, after }) => [before.sample_interval, after.sample_interval],
      (error: Error) => error.message,
    ),
  );
  await turn();
  t.equal(loads.length, 1, 'the second waits for the first');
  loads[0]?.resolve(second);
  await turn();
  t.equal(loads.length, 2);
  loads[1]?.reject(new Error('the disk is gone'));
  await turn();
  t.equal(loads.length, 3);
  loads[2]?.resolve(third);
  t.strictSame(await Promise.all(reloads), [[1000, 2000], 'the disk is gone', [2000, 3000]]);
});

/** Lets everything that is due run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

t.test('a reload does not stop the last app: an empty file is most likely a mistake', async (t) => {
  const load = (text: string) => parseConfig(text, { ...HOST, file: 'heapwarden.yml' });
  let text = 'apps: [{ name: shop, supervisor: { pm2: shop } }]';
  const store = new ConfigStore(load(text), async () => load(text), systemClock);
  text = '';
  await t.rejects(store.reload(), { code: 'CONFIG_NEEDS_RESTART', message: /^the file names no app any more/ });
  t.equal(store.current.apps.length, 1);
  t.equal(store.lastReload.successful, false);
});
