import { join } from 'node:path';
import t from 'tap';
import { lookAtServices } from '../../../src/commands/doctor/look-services.js';
import { judgeOomPolicy, type ServiceFacts } from '../../../src/commands/doctor/oom-policy.js';
import { assignmentIn, readUnit, serviceOf } from '../../../src/commands/doctor/service.js';
import { entry, running, says, tableOf, written } from './support.js';

// As `pm2 startup` writes it.
const PM2_UNIT = '[Unit]\nAfter=network.target\n\n[Service]\nType=forking\nUser=deploy\n\n[Install]\nWantedBy=multi-user.target\n';
const etc = '/etc/systemd/system/pm2-deploy.service';
const service = (more: Partial<ServiceFacts>): ServiceFacts => ({
  name: 'pm2-deploy.service', isUser: false, apps: ['shop', 'api'], cgroupVersion: 2,
  unit: { files: [{ path: etc, text: PM2_UNIT }], manager: null }, ...more,
});
const harm = 'when the kernel kills one process of it for memory, systemd ends all of it';

t.test('unset', async (t) => {
  const all = 'the apps "shop", "api" and whatever else runs in it';
  const sentence = `problem  pm2-deploy.service: OOMPolicy is unset, which means stop: ${harm} (${all}) [oom_policy]`;
  says(t, judgeOomPolicy([service({})]), [
    sentence,
    `         → ${etc}:5: OOMPolicy=continue   (a new line below [Service]; then: systemctl daemon-reload)`,
  ]);
  const packaged = { files: [{ path: '/usr/lib/systemd/system/pm2-deploy.service', text: PM2_UNIT }], manager: null };
  says(t, judgeOomPolicy([service({ unit: packaged })]), [
    sentence,
    '         → /etc/systemd/system/pm2-deploy.service.d/oom-policy.conf: [Service]',
    '           OOMPolicy=continue   (a new file; then: systemctl daemon-reload)',
  ]);
  const user = service({ name: 'heapwarden.service', isUser: true, apps: ['shop'], unit: { files: [{ path: '/home/d/.config/systemd/user/heapwarden.service', text: '[Service]\n' }], manager: null } });
  says(t, judgeOomPolicy([user]), [
    `problem  heapwarden.service: OOMPolicy is unset, which means stop: ${harm} (app "shop" and whatever else runs in it) [oom_policy]`,
    '         → /home/d/.config/systemd/user/heapwarden.service:2: OOMPolicy=continue   (a new line below [Service]; then: systemctl --user daemon-reload)',
  ]);
});

t.test('set', async (t) => {
  const dropIn = (text: string) => ({ path: `${etc}.d/oom.conf`, text });
  const unit = (text: string, manager: string | null = null) => ({
    files: [{ path: etc, text: PM2_UNIT }, dropIn(text)],
    manager: manager === null ? null : { path: '/etc/systemd/system.conf', text: manager },
  });
  says(t, judgeOomPolicy([service({ unit: unit('[Service]\nOOMPolicy = continue\n') })]), []);
  says(t, judgeOomPolicy([service({ unit: unit('', '[Manager]\nDefaultOOMPolicy=continue\n') })]), []);
  says(t, judgeOomPolicy([service({ unit: unit('[Service]\n# x\nOOMPolicy=kill\n') })]), [
    `warning  pm2-deploy.service: OOMPolicy=kill in ${etc}.d/oom.conf: ${harm} (the apps "shop", "api" and whatever else runs in it) [oom_policy]`,
    `         → ${etc}.d/oom.conf:3: OOMPolicy=continue`,
  ], 'by somebody who may have meant it');
  says(t, judgeOomPolicy([service({ cgroupVersion: 1 })]), [], 'systemd does not see it there');
  says(t, judgeOomPolicy([service({ unit: null })]), ['not checked: OOMPolicy of pm2-deploy.service: its unit file was not found']);
});

t.test('only of a service that others live in, not of the one that is the app', async (t) => {
  const { app } = written(`apps:
  - { name: shop, supervisor: { systemd: shop.service } }
  - { name: api, supervisor: { child: { command: [node, api.js] } } }
  - { name: mail, supervisor: { external: { port: 3000, restart: [systemctl, restart, mail] } } }
`);
  const unit = { name: 'hw-of-no-machine.service', isUser: false };
  const table = tableOf(entry(10, 1, 'node server.js', { service: unit }), entry(11, 1, 'node free.js'));
  const of = (...names: string[]) => lookAtServices(names.map((name) => running(app(name), table, 10, 11)));
  t.strictSame(await of('shop'), []);
  t.match(await of('shop', 'api', 'mail'), [{ ...unit, apps: ['api', 'mail'], unit: null }]);
});

t.test('which assignment holds', async (t) => {
  const of = (...texts: string[]) => assignmentIn(texts.map((text, i) => ({ path: String(i), text })), 'Service', 'OOMPolicy');
  t.strictSame(of('[Service]\nOOMPolicy=stop', '[Service]\nOOMPolicy=continue'), { value: 'continue', path: '1', line: 2 });
  t.equal(of('[Service]\nOOMPolicy=stop\nOOMPolicy='), null, 'an empty one takes it back');
  t.equal(of('[Unit]\nOOMPolicy=stop\n[Service]\n#OOMPolicy=stop\nXOOMPolicy=stop'), null);
});

t.test('the service of a process', async (t) => {
  t.strictSame(serviceOf('0::/system.slice/pm2-deploy.service\n'), { name: 'pm2-deploy.service', isUser: false });
  t.strictSame(serviceOf('4:memory:/x\n1:name=systemd:/system.slice/a.service/sub\n0::/\n'), { name: 'a.service', isUser: false });
  t.strictSame(serviceOf('0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n'), { name: 'a.service', isUser: true });
  for (const text of ['', '0::/\n', '0::/user.slice/user-1000.slice/session-3.scope\n', '0::/user.slice/user@1000.service/init.scope\n']) t.equal(serviceOf(text), null);
});

t.test('its files, the own one and the drop-ins, by name', async (t) => {
  const root = t.testdir({
    etc: { systemd: {
      'system.conf': '[Manager]\n',
      system: { 'a-b.service': 'own', 'a-b.service.d': { '20.conf': 'etc 20', 'x.txt': 'no' }, 'a-.service.d': { '10.conf': 'prefix 10' } },
    } },
    usr: { lib: { systemd: { system: { 'a-b.service': 'package', 'a-b.service.d': { '20.conf': 'usr 20', '30.conf': 'usr 30' }, 'service.d': { '05.conf': 'all 05' } } } } },
    home: { '.config': { systemd: { user: { 'u.service': 'user' } } } },
  });
  const unit = await readUnit({ name: 'a-b.service', isUser: false }, '/none', root);
  t.strictSame(unit?.files.map(({ text }) => text), ['own', 'all 05', 'prefix 10', 'etc 20', 'usr 30']);
  t.equal(unit?.manager?.path, join(root, 'etc/systemd/system.conf'));
  t.equal(await readUnit({ name: 'none.service', isUser: false }, '/none', root), null);
  t.match(await readUnit({ name: 'u.service', isUser: true }, '/home', root), { files: [{ text: 'user' }], manager: null });
});
