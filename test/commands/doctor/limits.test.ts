import t from 'tap';
import { judgeMemoryLimits } from '../../../src/commands/doctor/memory-limits.js';
import { pm2Limits, type Pm2App } from '../../../src/commands/doctor/pm2-app.js';
import { judgePm2Restarts } from '../../../src/commands/doctor/pm2-restarts.js';
import { says, written } from './support.js';

const GB = 1e9;

t.test('limits that memory cannot reach', async (t) => {
  const { app, places } = written(`defaults:
  limits:
    rss: { warning: 1GB }
apps:
  - name: shop
    supervisor: { pm2: shop }
    limits:
      rss:
        critical: 2500MB
        restart: 3GB
  - { name: none, supervisor: { pm2: none }, limits: { heap: { restart: 90% } } }
`);
  const shop = app('shop');
  const judge = (limits: [string, number][] | null, why: string | null = null, machine = 8 * GB) =>
    judgeMemoryLimits({ machine, apps: [{ app: shop, why, bounds: limits?.map(([file, limit]) => ({ file, limit, usage: 0 })) ?? null }] }, places);
  says(t, judge([['/sys/fs/cgroup/a/memory.max', 4 * GB], ['/sys/fs/cgroup/memory.max', Infinity]]), []);
  says(t, judge([['/sys/fs/cgroup/a/memory.max', Infinity], ['/sys/fs/cgroup/memory.max', 2.8 * GB]]), [
    'problem  app "shop": limits.rss.restart (3 GB) is not below the memory limit of its cgroup (2.8 GB, /sys/fs/cgroup/memory.max): ' +
      'the kernel kills it before heapwarden restarts it [limit_above_memory]',
    '         → /srv/heapwarden.yml:10: restart: 2650MB',
  ], 'not below critical');
  const inner = '/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes';
  says(t, judge([[inner, GB], ['/sys/fs/cgroup/memory/memory.limit_in_bytes', 2 ** 63]]), [
    `warning  app "shop": limits.rss.warning (1 GB) is not below the memory limit of its cgroup (1 GB, ${inner}): warning is never reached [limit_above_memory]`,
    '         → /srv/heapwarden.yml:3: warning: 650MB',
    `warning  app "shop": limits.rss.critical (2.5 GB) is not below the memory limit of its cgroup (1 GB, ${inner}): critical is never reached [limit_above_memory]`,
    '         → /srv/heapwarden.yml:9: critical: 750MB',
    `problem  app "shop": limits.rss.restart (3 GB) is not below the memory limit of its cgroup (1 GB, ${inner}): the kernel kills it before heapwarden restarts it [limit_above_memory]`,
    '         → /srv/heapwarden.yml:10: restart: 850MB',
  ]);
  says(t, judge([], null, 3 * GB), [
    'problem  app "shop": limits.rss.restart (3 GB) is not below all the memory of this machine (3 GB): the kernel kills it before heapwarden restarts it [limit_above_memory]',
    '         → /srv/heapwarden.yml:10: restart: 2750MB',
  ]);
  says(t, judge(null), ['not checked: limits.rss of app "shop" against its cgroup: its control group could not be read']);
  t.match(judge([], 'no process of it runs', GB), {
    notChecked: ['limits.rss of app "shop" against its cgroup: no process of it runs'],
    findings: { length: 3 },
  }, 'the machine is known all the same');
  const rest = judgeMemoryLimits({ machine: GB, apps: [{ app: { ...app('none'), limits: {} }, bounds: null, why: null }] }, places);
  says(t, rest, [], 'without a limit there is nothing to check');
});

t.test("PM2's own restarts", async (t) => {
  const { app } = written(`apps:
  - { name: shop, supervisor: { pm2: shop }, limits: { rss: { restart: 300MB }, uptime: { restart: 6h } }, schedule: "0 5 * * *" }
  - { name: free, supervisor: { pm2: free me }, time_zone: Europe/Berlin }
`);
  const pm2 = (name: string, more: Partial<Pm2App>): Pm2App => ({
    app: app(name), name: app(name).supervisor.pm2!, pids: [], maxMemoryRestart: null, cronRestart: null, ecosystem: null, ...more,
  });
  const judge = (name: string, more: Partial<Pm2App>, wrapped: string[] = []) => judgePm2Restarts({ value: [pm2(name, more)] }, new Set(wrapped));
  const anew = '         → pm2 delete shop, and start it again without max_memory_restart';
  const says1 = (more: Partial<Pm2App>, wrapped: string[], line: string) => says(t, judge('shop', more, wrapped), [line, anew]);
  says1({ maxMemoryRestart: 300e6 }, [],
    'problem  app "shop": PM2\'s max_memory_restart (300 MB) is not above limits.rss.restart (300 MB): PM2 restarts it first, without evidence, and in no cooldown or budget [pm2_memory_restart]');
  says1({ maxMemoryRestart: 400e6 }, [],
    'warning  app "shop": PM2\'s max_memory_restart (400 MB) stands beside limits.rss.restart (300 MB): where memory grows fast, or heapwarden waits, both restart it [pm2_memory_restart]');
  says1({ maxMemoryRestart: 200e6 }, ['shop'],
    'warning  app "shop": PM2\'s max_memory_restart (200 MB) is held against the wrapper that it measures, and never against the app [pm2_memory_restart]');
  says(t, judge('free', { maxMemoryRestart: 209_715_200 }), [
    'warning  app "free": PM2 restarts it at its own max_memory_restart (210 MB), without a record; heapwarden has no limits.rss.restart for it [pm2_memory_restart]',
    "         → pm2 delete 'free me', and start it again without max_memory_restart; limits: { rss: { restart: 209MB } } in heapwarden.yml instead",
  ]);
  const ecosystem = { path: '/srv/ecosystem.config.js', text: 'a\n  cron_restart: "0 4 * * *",\n  max_memory_restart: 1\n' };
  says(t, judge('shop', { cronRestart: '0 4 * * *', ecosystem }), [
    'problem  app "shop": PM2\'s cron_restart "0 4 * * *" fights schedule "0 5 * * *" and limits.uptime.restart (6h): both restart it [pm2_cron_restart]',
    '         → /srv/ecosystem.config.js:2: delete cron_restart, then: pm2 delete shop && pm2 start /srv/ecosystem.config.js --only shop',
  ]);
  says(t, judge('free', { cronRestart: '0 4 * * *' }), [
    'warning  app "free": PM2 restarts it by its own cron_restart "0 4 * * *", all its processes at once and without a record [pm2_cron_restart]',
    "         → pm2 delete 'free me', and start it again without cron_restart; schedule: \"0 4 * * *\" in heapwarden.yml instead, read in Europe/Berlin",
  ]);
  says(t, judge('shop', {}), []);
  says(t, judgePm2Restarts({ why: 'it does not answer' }, new Set()), ["not checked: PM2's max_memory_restart and cron_restart: it does not answer"]);
});

t.test('what PM2 says of itself', async (t) => {
  t.strictSame(pm2Limits([{ max_memory_restart: 2e8, cron_restart: '0 4 * * *' }, { max_memory_restart: '1K' }]), { maxMemoryRestart: 1024, cronRestart: '0 4 * * *' });
  t.strictSame(pm2Limits([{ cron_restart: '0' }, { cron_restart: 0, max_memory_restart: undefined }, {}]), { maxMemoryRestart: null, cronRestart: null });
});
