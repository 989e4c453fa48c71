import t from 'tap';
import { judgeOrphans } from '../../../src/commands/doctor/orphans.js';
import type { Entry } from '../../../src/commands/doctor/processes.js';
import { entry, running, says, tableOf, written } from './support.js';

const { app } = written(`apps:
  - { name: shop, supervisor: { pm2: shop } }
  - { name: api, supervisor: { child: { command: [node, api.js], cwd: /srv/api } } }
`);
const init = entry(1, 0, '/sbin/init', { name: 'systemd', isNode: false, isOwn: false });
const pm2 = { name: 'pm2-deploy.service', isUser: false };
const daemon = entry(5, 1, 'PM2 God', { service: pm2 });
const own = entry(10, 5, 'node server.js', { service: pm2 });

/** The strays that are found beside the shop's own process 10. */
function strays(...entries: Entry[]) {
  const table = tableOf(init, daemon, own, ...entries);
  return judgeOrphans({ table: { value: table }, apps: [running(app('shop'), table, 10)], supervised: [] });
}

t.test('one with the folder and the command line of an app', async (t) => {
  says(t, strays(entry(20, 1, 'node server.js')), [
    'problem  app "shop": process 20 (node server.js) has its folder (/srv/shop) and its command line, its parent has ended, and nobody supervises it [orphan]',
    '         → kill 20   (once you have seen that it is not needed)',
  ]);
  t.equal(strays(entry(20, 1, 'node server.js', { service: pm2 })).findings.length, 1, 'in the service of the app, too');
});

t.test('one that a heapwarden has started for it, whatever it looks like', async (t) => {
  says(t, strays(entry(20, 1, 'node other.js', { isMarked: true, app: 'shop', cwd: '/tmp' })), [
    'problem  app "shop": process 20 (node other.js) was started for it by a heapwarden, its parent has ended, and nobody supervises it [orphan]',
    '         → kill 20   (once you have seen that it is not needed)',
  ]);
});

t.test('one of two apps that look alike is told once', async (t) => {
  const other = entry(11, 5, 'node server.js');
  const table = tableOf(init, daemon, own, other, entry(20, 1, 'node server.js'));
  const { findings } = judgeOrphans({ table: { value: table }, apps: [running(app('shop'), table, 10), running(app('api'), table, 11)], supervised: [] });
  t.equal(findings.length, 1);
  t.match(findings[0], { app: null, message: /^app "shop" or app "api": process 20 / });
});

t.test('an app of which nothing runs is known by its command', async (t) => {
  const table = tableOf(init, entry(20, 1, 'node api.js', { cwd: '/srv/api' }), entry(21, 1, 'node api.js'));
  const apps = [{ app: app('api'), workers: [], why: null }];
  t.match(judgeOrphans({ table: { value: table }, apps, supervised: [] }).findings, [{ message: /process 20 \(node api\.js\) has its folder/ }]);
});

t.test('no orphan: weak evidence is none', async (t) => {
  const cases: [string, ...Entry[]][] = [
    ['its parent lives', entry(15, 5, 'bash'), entry(20, 15, 'node server.js')],
    ['another folder', entry(20, 1, 'node server.js', { cwd: '/srv/other' })],
    ['another command line', entry(20, 1, 'node server.js --port 1')],
    ['a folder that could not be read', entry(20, 1, 'node server.js', { cwd: null })],
    ['no Node process', entry(20, 1, 'node server.js', { isNode: false })],
    ["another user's", entry(20, 1, 'node server.js', { isOwn: false })],
    ['a systemd service of its own', entry(20, 1, 'node server.js', { service: { name: 'shop-b.service', isUser: false } })],
    ['started by a heapwarden for another app', entry(20, 1, 'node x.js', { isMarked: true, app: 'mail' })],
    ['a parent that cannot be seen', entry(20, 999, 'node server.js')],
    ["another container's", entry(20, 1, 'node server.js', { sharesPids: false })],
    ...['containerd-shim', 'conmon', 'docker-init', 'tini', 'catatonit', 'dumb-init'].map((name): [string, ...Entry[]] => [
      `the app of a container with the machine's pids, under ${name}`,
      entry(15, 1, name, { name, isNode: false }),
      entry(20, 15, 'node server.js'),
    ]),
  ];
  for (const [name, ...entries] of cases) says(t, strays(...entries), [], name);
  const table = tableOf(init, daemon, own, entry(20, 1, 'node server.js'));
  const apps = [running(app('shop'), table, 10)];
  says(t, judgeOrphans({ table: { value: table }, apps, supervised: [20] }), [], 'somebody answers for it');
  const container = tableOf(entry(1, 0, 'pm2-runtime'), entry(10, 1, 'node server.js'), entry(20, 1, 'node server.js'));
  says(t, judgeOrphans({ table: { value: container }, apps: [running(app('shop'), container, 10)], supervised: [] }), [], 'process 1 is itself a supervisor');
});

t.test('a user\'s systemd takes orphans in as well', async (t) => {
  const user = entry(3, 1, 'systemd --user', { name: 'systemd', isNode: false });
  t.equal(strays(user, entry(20, 3, 'node server.js')).findings.length, 1);
});

t.test('in a container, its first process does', async (t) => {
  for (const name of ['tini', 'docker-init', 'catatonit', 's6-svscan', 'pause']) {
    const first = entry(1, 0, name, { name, isNode: false });
    const table = tableOf(first, daemon, own, entry(20, 1, 'node server.js'));
    const { findings } = judgeOrphans({ table: { value: table }, apps: [running(app('shop'), table, 10)], supervised: [] });
    t.match(findings, [{ message: /process 20 / }], name);
  }
});

t.test('what could not be looked at', async (t) => {
  const apps = [{ app: app('shop'), workers: [], why: 'PM2 does not answer' }];
  says(t, judgeOrphans({ table: { why: 'no /proc' }, apps, supervised: [] }), ['not checked: orphaned processes: no /proc']);
  says(t, judgeOrphans({ table: { value: tableOf(init) }, apps, supervised: [] }), [
    'not checked: orphaned processes of app "shop": PM2 does not answer',
  ]);
});
