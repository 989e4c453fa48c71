import t from 'tap';
import { onlyStarts } from '../../src/agent/package-manager.cjs';
import { needParts } from '../parts/index.js';
import { builtAgent, openHub, runApp, shortFolder, until, untilStats, writeApp } from './support.js';

const FORK = '/usr/lib/node_modules/pm2/lib/ProcessContainerFork.js';

t.test('what only starts the app', (t) => {
  t.ok(onlyStarts('/usr/bin/npm', {}));
  t.ok(onlyStarts('C:\\nodejs\\node_modules\\npm\\bin\\npm-cli.js', {}));
  t.notOk(onlyStarts('/srv/shop/server.js', {}));
  t.notOk(onlyStarts(undefined, {}), 'a console, or a script from stdin');
  t.ok(onlyStarts(FORK, { pm_exec_path: '/usr/bin/npm' }), 'npm under PM2');
  t.notOk(onlyStarts(FORK, { pm_exec_path: '/srv/shop/server.js' }));
  t.notOk(onlyStarts('/srv/shop/server.js', { pm_exec_path: '/usr/bin/npm' }), 'the app that npm has started there inherits its environment');
  t.notOk(onlyStarts(FORK, {}));
  t.end();
});

t.test('the agent keeps out of npm, and is in the app that npm starts', async (t) => {
  const parts = needParts(t, 'node-22');
  if (!parts) return;
  const folder = shortFolder(t);
  const socket = `${folder}/agent.sock`;
  const { hub } = await openHub(t, socket);
  const agent = builtAgent(folder);
  const app = writeApp(folder, 'shop.cjs', 'console.log(process.pid); setTimeout(() => {}, 20_000);');
  const npm = writeApp(folder, 'npm-cli.js', `
    const { spawn } = require('node:child_process');
    spawn(process.execPath, ['--require', ${JSON.stringify(agent)}, ${JSON.stringify(app)}], { stdio: 'inherit' });`);
  const started = runApp(t, parts['node-22'], ['--require', agent, npm], { HEAPWARDEN_SOCKET: socket });
  const pid = await until('the app', () => Number(started.output()) || null);
  t.teardown(() => process.kill(pid, 'SIGKILL'));
  await untilStats(hub, pid);
  t.strictSame(hub.reports().map((report) => report.pid), [pid]);
});
