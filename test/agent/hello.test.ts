import { readFileSync } from 'node:fs';
import t from 'tap';
import { appName, hello } from '../../src/agent/hello.cjs';

const pm2 = { pm_id: '0', name: 'shop' };

t.equal(appName({ HEAPWARDEN_APP: 'told', ...pm2, npm_package_name: 'pkg' }, '/srv/app.js'), 'told');
t.equal(appName({ ...pm2, npm_package_name: 'pkg' }, '/srv/app.js'), 'shop');
t.equal(appName({ name: 'somebody', npm_package_name: '@me/pkg' }, '/srv/app.js'), '@me/pkg', 'name alone is not PM2');
t.equal(appName({ HEAPWARDEN_APP: '' }, '/srv/server.prod.mjs'), 'server.prod');
t.equal(appName({}, undefined), 'node');
t.equal(appName({ HEAPWARDEN_APP: '\n' }, undefined), 'node', 'what the hub would refuse is not sent');
t.equal(appName({ HEAPWARDEN_APP: 'x'.repeat(300) }, undefined).length, 200);
t.match(hello(), { type: 'hello', protocol: 1, pid: process.pid, node: /^\d+\.\d+\.\d+/ });

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
t.equal(hello().agent, version, 'AGENT_VERSION of protocol.cts is the package\'s');
