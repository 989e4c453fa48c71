import { readFileSync } from 'node:fs';
import t from 'tap';
import { parseConfig } from '../../src/config/parse.js';
import { ConfigError, type ConfigProblem } from '../../src/errors.js';
import { HOST } from './report-of.js';

const FILE = '/etc/heapwarden/heapwarden.yml';
const parse = (text: string) => parseConfig(text, { ...HOST, file: FILE });
const onlyApp = (text: string) => {
  const [app, ...others] = parse(text).apps;
  if (!app || others.length > 0) throw new Error('expected one app');
  return app;
};
const problemsOf = (text: string): readonly ConfigProblem[] => {
  try {
    parse(text);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};
const messagesOf = (text: string) =>
  problemsOf(text).map(({ line, column, message }) => `${line}:${column} ${message}`);

const DEFAULT_SETTINGS = {
  limits: {},
  memory: 'tree',
  runtime: 'agent',
  restart: {
    mode: 'graceful',
    stop_timeout: 10_000,
    startup_grace: 30_000,
    cooldown: 300_000,
    budget: { count: 5, windowMs: 3_600_000 },
    min_available: 1,
    jitter: 0,
  },
  evidence: { stack: true, profile: true, snapshot: false, timeout: 5000, keep: 10 },
  outside_windows: 'freeze',
  dry_run: false,
};

t.test('the example of the design, every key', async (t) => {
  t.strictSame(parse(readFileSync(new URL('full.yml', import.meta.url), 'utf8')), {
    trigger: 'embedded',
    fallback_after: 120_000,
    sample_interval: 5000,
    state_dir: '/etc/heapwarden/.heapwarden',
    agent_socket: '/tmp/heapwarden-1000/agent.sock',
    auth: { token_file: '/etc/heapwarden/token' },
    apps: [
      {
        name: 'shop',
        supervisor: { pm2: 'shop' },
        limits: {
          rss: { warning: 500_000_000, critical: 700_000_000, restart: 768_000_000, for: 30_000 },
          heap: { warning: 0.8, critical: 0.9, restart: 0.95, for: 30_000 },
          freeze: { critical: 5000, restart: 15_000 },
          uptime: { restart: 21_600_000 },
        },
        schedule: '0 */6 * * *',
        memory: 'tree',
        runtime: 'agent',
        restart: {
          mode: 'graceful',
          stop_timeout: 10_000,
          startup_grace: 30_000,
          cooldown: 300_000,
          budget: { count: 5, windowMs: 3_600_000 },
          min_available: 1,
          jitter: 0,
          ready: { http: 'http://127.0.0.1:3000/health', timeout: 30_000 },
        },
        evidence: { stack: true, profile: true, snapshot: false, timeout: 5000, keep: 10 },
        outside_windows: 'freeze',
        dry_run: false,
      },
    ],
  });
});

t.test('a file that configures nothing', async (t) => {
  const nothing = {
    trigger: 'embedded',
    fallback_after: 120_000,
    sample_interval: 5000,
    state_dir: '/home/ada/.local/state/heapwarden',
    agent_socket: '/tmp/heapwarden-1000/agent.sock',
    auth: { token_file: '/home/ada/.local/state/heapwarden/token' },
    apps: [],
  };
  const texts = ['', '# only a comment\n', '---\n', '{}', 'apps: []', 'apps:\n# - name: shop\n', 'defaults:\napps:\n'];
  for (const text of texts) {
    t.strictSame(parse(text), nothing, JSON.stringify(text));
  }
});

t.test('what is left out gets its default', async (t) => {
  t.strictSame(onlyApp('apps: [{ name: shop, supervisor: { child: { command: [node, app.js] } } }]'), {
    name: 'shop',
    supervisor: { child: { command: ['node', 'app.js'], cwd: '/etc/heapwarden', env: {}, instances: 1 } },
    ...DEFAULT_SETTINGS,
  });
  const limits = onlyApp('apps: [{ name: a, supervisor: { pm2: a }, limits: { rss: {} } }]').limits;
  t.strictSame(limits, { rss: { for: 30_000 } });
  const ready = { http: 'https://localhost/', timeout: 30_000 };
  t.strictSame(
    onlyApp('apps: [{ name: a, supervisor: { pm2: a }, restart: { ready: { http: "https://localhost/" } } }]').restart,
    { ...DEFAULT_SETTINGS.restart, ready },
  );
});

t.test('supervisors of other kinds', async (t) => {
  const external = (restart: string) =>
    onlyApp(`apps: [{ name: a, supervisor: { external: { pid_file: run/a.pid, restart: ${restart} } } }]`).supervisor;
  t.strictSame(external('{ signal: SIGTERM }'), {
    external: { pid_file: '/etc/heapwarden/run/a.pid', restart: { signal: 'SIGTERM' }, timeout: 60_000 },
  });
  t.strictSame(external('[restart, a]'), {
    external: { pid_file: '/etc/heapwarden/run/a.pid', restart: ['restart', 'a'], timeout: 60_000 },
  });
  const matched = 'apps: [{ name: a, supervisor: { external: { match: "node .*a[.]js", restart: [restart-a] } } }]';
  t.strictSame(onlyApp(matched).supervisor, { external: { match: 'node .*a[.]js', restart: ['restart-a'], timeout: 60_000 } });
  const byPort = 'apps: [{ name: a, supervisor: { external: { port: 3000, restart: [restart-a], timeout: 5m } } }]';
  t.strictSame(onlyApp(byPort).supervisor, { external: { port: 3000, restart: ['restart-a'], timeout: 300_000 } });
  for (const unit of ['a.service', 'a', 'shop@1', 'shop@*', 'shop@*.service', String.raw`a\x2db:c_1.d@x-y.service`]) {
    const { supervisor } = onlyApp(`apps: [{ name: a, supervisor: { systemd: '${unit}' } }]`);
    t.strictSame(supervisor, { systemd: unit });
  }
  const ofUser = 'apps: [{ name: a, supervisor: { systemd: { unit: a, user: true } } }]';
  t.strictSame(onlyApp(ofUser).supervisor, { systemd: { unit: 'a', user: true } });
  t.strictSame(onlyApp('apps: [{ name: a, supervisor: { docker: shop-1 } }]').supervisor, { docker: 'shop-1' });
  for (const label of ['com.example.app=shop', 'com.example.app=', 'shop', 'a=b c=d']) {
    const labelled = onlyApp(`apps: [{ name: a, supervisor: { docker: { label: "${label}" } } }]`);
    t.strictSame(labelled.supervisor, { docker: { label } });
  }
});

t.test('defaults', async (t) => {
  const config = parse(`
defaults:
  supervisor: { child: { command: [node, common.js], env: { COMMON: "1" } } }
  limits: { rss: { warning: 100MB, restart: 300MB, for: 1m }, uptime: { restart: 1d } }
  restart: { budget: 2/1h, ready: { http: "http://127.0.0.1:3000/", timeout: 5s } }
  runtime: none
apps:
  - name: plain
  - name: own
    supervisor: { child: { command: [node, own.js] } }
    limits: { rss: { warning: 200MB }, freeze: { restart: 10s } }
    restart: { cooldown: 0s, ready: { tcp: "127.0.0.1:3000" } }
    runtime: agent
  - name: other
    supervisor: { pm2: other }
    restart: { ready: { timeout: 1m } }
`);
  const [plain, own, other] = config.apps;
  t.notOk('defaults' in config, 'are gone once they are merged');
  t.match(plain, {
    supervisor: { child: { command: ['node', 'common.js'], env: { COMMON: '1' }, instances: 1 } },
    limits: { rss: { warning: 100_000_000, restart: 300_000_000, for: 60_000 }, uptime: { restart: 86_400_000 } },
    restart: { budget: { count: 2, windowMs: 3_600_000 }, cooldown: 300_000 },
    runtime: 'none',
  });
  t.strictSame(plain?.restart.ready, { http: 'http://127.0.0.1:3000/', timeout: 5000 });
  t.strictSame(
    own?.limits,
    {
      rss: { warning: 200_000_000, restart: 300_000_000, for: 60_000 },
      uptime: { restart: 86_400_000 },
      freeze: { restart: 10_000 },
    },
    'groups merge key by key',
  );
  t.strictSame(
    own?.supervisor,
    { child: { command: ['node', 'own.js'], cwd: '/etc/heapwarden', env: {}, instances: 1 } },
    'a supervisor replaces the one of the defaults, its env included',
  );
  t.equal(own?.runtime, 'agent');
  t.equal(own?.restart.cooldown, 0);
  t.strictSame(own?.restart.ready, { tcp: '127.0.0.1:3000', timeout: 5000 }, 'one check replaces the other');
  t.strictSame(other?.supervisor, { pm2: 'other' });
  t.strictSame(other?.restart.ready, { http: 'http://127.0.0.1:3000/', timeout: 60_000 });
  t.not(plain?.limits, own?.limits, 'no two apps share an object');
});

t.test('a problem in the defaults is told once, where it stands', async (t) => {
  const text = `
defaults:
  limits: { rss: { warning: 5 apples, restart: 300MB }, heap: { critical: 90%, restart: 80% } }
  supervisor: { child: {} }
apps:
  - { name: a }
  - { name: b, limits: { rss: { critical: 400MB } } }
`;
  t.strictSame(messagesOf(text), [
    '3:29 "5 apples" is not a size; write it like 500MB, 1.5GiB or 512M',
    '3:75 critical (90%) is above restart (80%)',
    '4:24 supervisor.child needs "command"',
    '7:43 critical (400MB) is above restart (300MB of defaults, line 3)',
  ]);
});

t.test('a limit that already is wrong is not compared', async (t) => {
  const text = 'apps: [{ name: a, supervisor: { pm2: a }, limits: { uptime: { critical: 90000, restart: 1s } } }]';
  t.strictSame(messagesOf(text), ['1:73 90000 is not a duration; write it like 30s, 5m or 1h30m']);
});

t.test('limits may be equal', async (t) => {
  const text = 'apps: [{ name: a, supervisor: { pm2: a }, limits: { rss: { warning: 1GB, restart: 1000MB } } }]';
  t.strictSame(onlyApp(text).limits.rss, { warning: 1e9, restart: 1e9, for: 30_000 });
});

t.test('problems carry their place as editors count it', async (t) => {
  const [problem, ...others] = problemsOf('trigger: both\r\nsample_interval: soon\r\n');
  t.strictSame(others, []);
  t.strictSame(problem, {
    file: FILE,
    line: 2,
    column: 18,
    message: '"soon" is not a duration; write it like 30s, 5m or 1h30m',
    source: 'sample_interval: soon',
  });
  t.match(problemsOf('\uFEFFtrigger: sometimes'), [{ line: 1, column: 10, source: 'trigger: sometimes' }]);
});

t.test('with errors of syntax, only those', async (t) => {
  const messages = messagesOf('trigger: never\napps: [\n');
  t.equal(messages.length, 1);
  t.match(messages[0], /^3:1 invalid YAML: /);
});

t.test('hostile keys stay keys', async (t) => {
  const known = 'trigger, fallback_after, sample_interval, state_dir, agent_socket, agent_socket_group, auth, defaults, apps';
  t.strictSame(messagesOf('__proto__: { trigger: both }\nconstructor: 1\n'), [
    `1:1 unknown key "__proto__"; known here: ${known}`,
    `2:1 unknown key "constructor"; known here: ${known}`,
  ]);
  t.match(messagesOf('defaults: { __proto__: { dry_run: true } }\napps: [{ name: a, supervisor: { pm2: a } }]'), [
    /^1:13 unknown key "__proto__"/,
  ]);
});

t.test('an alias stands for its value wherever it is used', async (t) => {
  const { apps } = parse(`
defaults: { limits: { rss: &rss { restart: 300MB } } }
apps:
  - { name: a, supervisor: { pm2: a }, limits: { rss: *rss } }
  - { name: b, supervisor: { pm2: b }, limits: { rss: *rss } }
`);
  const expected = { restart: 300_000_000, for: 30_000 };
  t.strictSame(apps.map((app) => app.limits.rss), [expected, expected]);
});
