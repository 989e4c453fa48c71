/** Restarts under load, and not one request that fails. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Load } from '../agent/load.js';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import { runningIn } from './child-support.js';
import { runsAlone, share } from './shared-support.js';

const NODES = NODE_MAJORS.map((major) => `node-${major}` as const);

for (const node of NODES) {
  t.test(`${node}: graceful restarts under load, and no request fails`, async (t) => {
    const parts = needParts(t, node);
    if (!parts) return;
    for (const how of ['plain', 'fastify'] as const) {
      const app = await share(t, { node: parts[node], how });
      await app.supervisor.start();
      const first = await app.serves();
      const load = new Load(t, app.url);
      await sleep(300);
      const pids = [first];
      for (let round = 0; round < 2; round++) {
        const begun = performance.now();
        const report = await app.supervisor.restart('0', app.graceful());
        t.match(report, { goneAt: null, ready: true }, `in ${Math.round(performance.now() - begun)} ms`);
        t.not(report.stop, 'killed');
        pids.push(await app.ready());
        t.equal(report.pid, pids.at(-1));
        await sleep(300);
      }
      await load.stop();
      t.strictSame(load.failures, [], `${how}: of ${load.answered} requests`);
      t.ok(load.answered > 100);
      t.strictSame([...load.bodies.keys()].toSorted(), pids.map(String).toSorted(), 'each process had its share');
      t.equal(new Set(pids).size, 3);
      await runsAlone(t, app, pids.at(-1)!);
      await app.supervisor.close();
    }
  });
}

t.test('stopped first with a shared port: users wait, and no request fails', async (t) => {
  for (const how of ['closes', 'options']) {
    const app = await share(t, { how });
    await app.supervisor.start();
    await app.serves();
    const load = new Load(t, app.url);
    for (let round = 0; round < 2; round++) {
      const report = await app.supervisor.restart('0', app.graceful({ mode: 'stop_first' }));
      t.match(report, { goneAt: Number, ready: null });
      await app.serves();
      await sleep(300);
    }
    await load.stop();
    t.strictSame(load.failures, [], `${how}: of ${load.answered} requests`);
  }
});

t.test('this load does see a restart that is not graceful', async (t) => {
  const app = await share(t);
  const { port } = new URL(app.url);
  const plain = await share(t, { env: { PORT: port }, listen: undefined });
  await plain.supervisor.start();
  await plain.ready();
  const load = new Load(t, app.url);
  await sleep(300);
  t.match(await plain.supervisor.restart('0', app.graceful()), { goneAt: Number, ready: null }, 'for it has no shared port');
  await plain.ready();
  await load.stop();
  t.ok(load.failures.length > 5, `${load.failures.length} failed of ${load.failures.length + load.answered}`);
});

t.test('several workers share the port, and one of them is always there', async (t) => {
  const app = await share(t, { instances: 2 });
  await app.supervisor.start();
  await Promise.all([app.serves('0'), app.serves('1')]);
  const load = new Load(t, app.url);
  const reports = await Promise.all(['0', '1'].map((worker) => app.supervisor.restart(worker, app.graceful())));
  for (const report of reports) t.match(report, { goneAt: null, ready: true });
  await load.stop();
  t.strictSame(load.failures, [], `of ${load.answered} requests`);
  t.equal((await runningIn(app.folder)).length, 2);
});

