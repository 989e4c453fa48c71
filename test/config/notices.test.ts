import t from 'tap';
import { noticesOf, unsupportedIn } from '../../src/config/notices.js';
import { parseConfig } from '../../src/config/parse.js';
import type { Config } from '../../src/config/schema.js';
import { HOST } from './report-of.js';

const parse = (app: string) =>
  parseConfig(`apps:\n  - { name: quiet, supervisor: { pm2: quiet } }\n  - { name: shop, ${app} }`, {
    ...HOST,
    file: 'heapwarden.yml',
  });
const pm2 = 'supervisor: { pm2: shop }';
t.test('a `for` that the alert rules do not share', async (t) => {
  const limits = 'limits: { rss: { restart: 1GB, for: 3m }, heap: { restart: 95% } }';
  const keysWith = (trigger: string) =>
    noticesOf({ ...parse(`${pm2}, ${limits}`), trigger } as Config).map(({ message }) => message);
  t.strictSame(keysWith('embedded'), []);
  for (const trigger of ['alertmanager', 'both']) {
    t.strictSame(keysWith(trigger), [
      'app "shop": limits.rss.for (3m) is not known to the alert rules, which wait 30s; change it there too',
    ]);
  }
});

t.test('a jitter for which the alert rules call a restart overdue', async (t) => {
  const noticesWith = (jitter: string) => noticesOf(parse(`${pm2}, restart: { jitter: ${jitter} }`));
  t.strictSame(noticesWith('899s'), []);
  const what = 'is not known to the alert rules: HeapwardenRestartOverdue waits 15m; change it there too';
  const message = `app "shop": restart.jitter (15m) ${what}`;
  t.strictSame(noticesWith('15m'), [{ app: 'shop', key: 'restart.jitter', message }]);
});

t.test('a budget that a planned restart of every worker spends', async (t) => {
  const noticesWith = (instances: number, more: string) =>
    noticesOf(parse(`supervisor: { child: { command: [node], instances: ${instances} } }, ${more}`));
  const spent = (what: string) => [{ app: 'shop', key: 'restart.budget', message: `app "shop": restart.budget ${what}` }];
  const planned: [plan: string, key: string][] = [
    ['schedule: "0 4 * * *"', 'schedule'],
    ['limits: { uptime: { restart: 12h } }', 'limits.uptime.restart'],
    ['limits: { uptime: { restart: 12h } }, schedule: "0 4 * * *"', 'schedule'],
  ];
  for (const [plan, key] of planned) {
    t.strictSame(noticesWith(4, plan), [], `${plan}: one is left for the limits`);
    const five = `(5/1h) is spent by one round of ${key} (5 workers), and no limit is enforced for up to 1h; raise it, to 10/1h say`;
    t.strictSame(noticesWith(5, plan), spent(five), plan);
    const one = `(1/1d) is spent by one round of ${key} (1 worker), and no limit is enforced for up to 1d; raise it, to 2/1d say`;
    t.strictSame(noticesWith(1, `${plan}, restart: { budget: 1/1d }`), spent(one), plan);
    t.strictSame(noticesWith(5, `${plan}, restart: { budget: 10/1h }`), [], `${plan}: as it was told to`);
  }
  const unplanned = 'limits: { uptime: { warning: 12h }, rss: { restart: 1GB } }';
  t.strictSame(noticesWith(8, unplanned), [], 'limits are not reached by all workers at once');
  t.strictSame(noticesOf(parse(`${pm2}, schedule: "0 4 * * *", restart: { budget: 1/1h }`)), [], 'how many there are is PM2 to know');
});

t.test('settings without effect', async (t) => {
  const cases: [string, [key: string, what: string][]][] = [
    [pm2, []],
    [`${pm2}, restart: { jitter: 0s }`, []],
    [`${pm2}, evidence: { stack: true, timeout: 5s, keep: 10 }`, []],
    [`${pm2}, restart: { jitter: 10s, ready: { http: "http://127.0.0.1:1", status: 204 } }`, []],
    [
      `${pm2}, restart: { ready: { tcp: "127.0.0.1:1", status: 204 } }`,
      [['restart.ready.status', 'has no effect without restart.ready.http']],
    ],
    [`${pm2}, evidence: { snapshot: true, timeout: 6s, profile: false }`, []],
    [
      `${pm2}, runtime: none, evidence: { snapshot: true }`,
      [['evidence.snapshot', 'has no effect with runtime: none; it takes an agent']],
    ],
    [`${pm2}, runtime: none, limits: { rss: { restart: 1GB } }`, []],
    ['supervisor: { systemd: shop }', []],
    [`${pm2}, restart: { stop_timeout: 30s }`, []],
    [
      'supervisor: { systemd: shop }, restart: { stop_timeout: 30s }',
      [[
        'restart.stop_timeout',
        "only bounds how long requests may take to end; the unit's TimeoutStopSec= says when it is killed",
      ]],
    ],
    [
      `${pm2}, runtime: none, limits: { heap: { restart: 95% }, freeze: { restart: 15s } }`,
      [
        ['limits.heap', 'has no effect with runtime: none; it takes an agent'],
        ['limits.freeze', 'has no effect with runtime: none; it takes an agent'],
      ],
    ],
  ];
  for (const [app, expected] of cases) {
    t.strictSame(
      noticesOf(parse(app)),
      expected.map(([key, what]) => ({ app: 'shop', key, message: `app "shop": ${key} ${what}` })),
      app,
    );
  }
});

t.test('settings this version cannot serve', async (t) => {
  t.strictSame(unsupportedIn(parse(pm2)), []);
  t.strictSame(unsupportedIn(parse('supervisor: { child: { command: [node] } }, runtime: none')), []);
  t.strictSame(unsupportedIn(parse('supervisor: { systemd: shop.service }')), []);
  t.strictSame(unsupportedIn(parse('supervisor: { external: { match: shop, restart: [x] } }')), []);
  t.strictSame(unsupportedIn(parse('supervisor: { docker: shop }, runtime: inspector')), []);
  t.strictSame(unsupportedIn(parse('supervisor: { docker: { label: shop } }')), []);
  t.strictSame(unsupportedIn(parse(`${pm2}, runtime: inspector`)), []);
  const messages = (app: string) => unsupportedIn(parse(app)).map(({ message }) => message);
  const child = (more: string) => `supervisor: { child: { command: [node]${more} } }`;
  t.strictSame(messages(`${child(', listen: "127.0.0.1:3000"')}, restart: { ready: { agent: true } }`), []);
  t.strictSame(messages(`${child(', listen: "127.0.0.1:3000"')}, runtime: none, restart: { ready: { agent: true } }`), [
    'app "shop": supervisor.child.listen takes the agent, and runtime is none',
    'app "shop": restart.ready.agent takes the agent, and runtime is none',
  ]);
  t.strictSame(messages(`${pm2}, restart: { ready: { pm2: true } }`), []);
  t.strictSame(messages(`${child('')}, restart: { ready: { pm2: true } }`), [
    'app "shop": restart.ready.pm2 is for apps under PM2; use http, tcp or agent',
  ]);
});

t.test('what takes another system than this one', async (t) => {
  const on = (platform: NodeJS.Platform, app: string) =>
    unsupportedIn(parse(app), platform).map(({ key, message }) => [key, message.replace(`app "shop": ${key} `, '')]);
  const listen = 'supervisor: { child: { command: [node], listen: "127.0.0.1:3000" } }';
  const takesPosix = 'takes POSIX: Windows hands no socket on; take it out, and the app opens its port itself';
  t.strictSame(on('win32', listen), [['supervisor.child.listen', takesPosix]]);
  const linuxOnly: [string, string, string][] = [
    [`${pm2}, runtime: inspector`, 'runtime', 'inspector works on Linux only; use agent, which is preloaded into the app'],
    ['supervisor: { systemd: shop }', 'supervisor.systemd', 'takes Linux, which alone has systemd'],
    [
      'supervisor: { docker: shop }',
      'supervisor.docker',
      'takes Linux: elsewhere containers run in a virtual machine; run heapwarden in there',
    ],
  ];
  for (const [app, key, what] of linuxOnly) {
    for (const platform of ['win32', 'darwin'] as const) t.strictSame(on(platform, app), [[key, what]], `${app} on ${platform}`);
  }
  for (const app of [listen, ...linuxOnly.map(([config]) => config)]) t.strictSame(on('linux', app), [], app);
  t.strictSame(on('darwin', listen), []);
  const anywhere = [pm2, 'supervisor: { child: { command: [node] } }', 'supervisor: { external: { match: shop, restart: [x] } }'];
  for (const app of anywhere) t.strictSame(on('win32', app), [], app);
});

t.test('a signal on Windows', async (t) => {
  const app = 'supervisor: { external: { match: shop, restart: { signal: SIGHUP } } }';
  const message =
    'app "shop": supervisor.external.restart.signal (SIGHUP) is nothing that Windows has: the process is ended, as taskkill does it';
  t.strictSame(noticesOf(parse(app), 'win32').map((notice) => notice.message), [message]);
  t.strictSame(noticesOf(parse(app), 'linux'), []);
  t.strictSame(noticesOf(parse('supervisor: { external: { match: shop, restart: [x] } }'), 'win32'), []);
});
