/** Apps that were not prepared, and a real warden: `runtime: inspector`, and `heapwarden attach` by hand. */
import { join } from 'node:path';
import t from 'tap';
import { listeningOf } from '../../src/observe/listening.js';
import { runOld } from '../observe/inspecting.js';
import { runPlain } from './plain-node.js';
import { CLI, WardenProcess } from './warden-process.js';
import { waitFor } from './wait.js';

const HEAP = 'heapwarden_nodejs_heap_size_used_bytes';
const child = (name: string, args: string, more = '') => `
  - name: ${name}
    supervisor: { child: { command: [${process.execPath}, ${args}, -e, "setInterval(() => {}, 1000)"], env: { NODE_OPTIONS: '' } } }
    runtime: inspector${more}`;

t.test('runtime: inspector, after a restart again; where it is forbidden, from outside only', async (t) => {
  const own = child('own', '--inspect-port=0').replace('setInterval', `process.on('SIGUSR1', () => {}); setInterval`);
  const warden = await WardenProcess.start(t, {
    config: `sample_interval: 500ms\napps:${child('shop', '--inspect-port=0', '\n    restart: { startup_grace: 0s, cooldown: 0s }')}${own}\n`,
  });
  await warden.ready();
  const attached = async () => (await warden.metric(HEAP, { app: 'shop' })) !== null;
  await waitFor('the metrics of the attached', attached, 60_000);
  const pid = (await warden.pid('shop'))!;
  t.match(warden.log, new RegExp(`shop/0: process ${pid} was attached to; its inspector was open for \\d+ ms`));
  t.strictSame(await listeningOf(pid), [], 'no port is left open');

  t.equal((await warden.post('/api/v1/apps/shop/restart', { force: true })).status, 202);
  await waitFor('the next process', async () => ![null, pid].includes(await warden.pid('shop')));
  const next = (await warden.pid('shop'))!;
  await waitFor('being attached to again', () => warden.log.includes(`process ${next} was attached to`), 60_000);
  await waitFor('its metrics', attached);

  const words = 'measured from outside only: its app listens for SIGUSR1 itself';
  await waitFor('what is said of the other', () => warden.log.includes(words));
  t.equal(warden.log.split(words).length, 2, 'once');
  t.equal(await warden.metric(HEAP, { app: 'own' }), null);
  t.ok((await warden.metric('heapwarden_process_resident_memory_bytes', { app: 'own' }))! > 1e6);
});

t.test('heapwarden attach', async (t) => {
  const warden = await WardenProcess.start(t, { config: 'sample_interval: 500ms\n' });
  await warden.ready();
  const app = await runOld(t, process.execPath, ['--inspect-port=0', '-e', `console.log('up'); setInterval(() => {}, 1000)`]);
  const attach = async (pid: number, ...more: string[]) => {
    const args = [CLI, 'attach', String(pid), `--config.file=${join(warden.dir, 'heapwarden.yml')}`, ...more];
    return waitFor('nobody else to be attached to', async () => {
      const result = await runPlain(args);
      return result.err.includes('another process of this machine is being attached to') ? null : result;
    });
  };
  const first = await attach(app.pid, '--app=visitor');
  t.match(first, { code: 0, err: '' });
  t.match(first.out, /^process \d+ has the agent now; its inspector was open for \d+ ms\nit reports to the heapwarden at .*agent\.sock\n$/);
  await waitFor('it to be shown', async () => (await warden.metric(HEAP, { app: 'visitor' })) !== null);
  t.match(await warden.apps(), [{ app: 'visitor', supervisor: 'none' }], 'as an app that is not managed');
  t.match(await attach(app.pid), { code: 0, out: /has an agent already, which goes on as it was/ });
  t.match(await attach(1), { code: 1, err: /^heapwarden: process 1 was not attached to: it is no Node\.js process/ });
  t.match(await attach(4_194_303), { code: 1, err: /^heapwarden: process 4194303 was not attached to: there is no such process/ });
});
