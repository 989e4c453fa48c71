/** A major GC on request, on every Node: by V8's own steps, and without a word in the app's output. */
import { join } from 'node:path';
import t from 'tap';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import { builtAgent, openHub, runApp, shortFolder, until, untilStats, writeApp } from './support.js';

/** Holds 40 MB that live, and twice as much that does not, in the old generation. */
const APP = `
let kept = Array.from({ length: 3 }, () => Array.from({ length: 250000 }, (_, i) => ({ i, j: i / 3 })));
setInterval(() => {}, 1000);
require('node:readline').createInterface({ input: process.stdin }).on('line', () => {
  kept.length = 1;
  console.log('let go');
});
`;

for (const major of NODE_MAJORS) {
  t.test(`Node ${major}`, async (t) => {
    const parts = needParts(t, `node-${major}`);
    if (!parts) return;
    const folder = shortFolder(t);
    const path = join(folder, 'agent.sock');
    const { hub } = await openHub(t, path, 200);
    const app = runApp(t, parts[`node-${major}`], ['--require', builtAgent(folder), writeApp(folder, 'holds.cjs', APP)], { HEAPWARDEN_SOCKET: path });
    const majors = () => hub.report(app.pid)?.stats?.gc.major.count ?? 0;
    const before = (await untilStats(hub, app.pid)).stats!;
    await app.ask('let go');
    const had = majors();
    t.equal(await hub.collect(app.pid), true);
    await until('a major GC', () => majors() > had || null);
    const { heap_live, heap_used } = hub.report(app.pid)!.stats!;
    t.ok(heap_live !== null && heap_live < before.heap_used / 2, `${heap_live} live of ${before.heap_used}`);
    t.ok(heap_used < before.heap_used / 2, `${heap_used} used`);
    t.equal(await hub.collect(app.pid), true, 'and again');
    await until('another', () => majors() > had + 1 || null);
    t.equal(app.output(), 'let go\n', 'not a word of its own');
    t.equal(app.child.exitCode, null);
  });
}

t.test('one without an agent does not hear it', async (t) => {
  const { hub } = await openHub(t, join(shortFolder(t), 'agent.sock'));
  t.equal(await hub.collect(1), false);
});
