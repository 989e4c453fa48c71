import { execFileSync } from 'node:child_process';
import t from 'tap';
import { oldSpaceFlag, oldSpaceFor, oldSpaceUnder, restartLimitFor, roundedUp, youngBytes } from '../../src/decide/heap-limit.js';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import { MB } from './support.js';

const MIB = 2 ** 20;

for (const major of NODE_MAJORS) {
  t.test(`the young generation of Node.js ${major}, by that very program`, async (t) => {
    const parts = needParts(t, `node-${major}`);
    if (!parts) return;
    for (const bytes of [256 * MIB, 1024 * MIB]) {
      const script = 'console.log(process.versions.node, v8.getHeapStatistics().heap_size_limit)';
      const [version, limit] = String(execFileSync(parts[`node-${major}`], [oldSpaceFlag(bytes), '-e', script])).split(' ');
      t.equal(Number(limit) - bytes, youngBytes(version!), `Node.js ${version}`);
    }
  });
}

t.test('an unknown version has the largest', async (t) => {
  for (const version of ['27.0.0', '23.1.0', '?', '']) t.equal(youngBytes(version), 192 * MIB);
});

t.test('old space and restart limit fit each other', async (t) => {
  const [outside, young] = [90 * MB, 48 * MIB];
  t.equal(oldSpaceFor(60 * MB), 176 * MIB, 'three times as much, in steps of 16 MiB');
  t.equal(oldSpaceFlag(oldSpaceFor(60 * MB)), '--max-old-space-size=176');
  const under = oldSpaceUnder(768 * MB, outside, young);
  t.equal(under % (16 * MIB), 0);
  t.ok(under + outside + young <= 0.9 * 768 * MB && under + 16 * MIB + outside + young > 0.9 * 768 * MB, String(under));
  for (const live of [20, 60, 300, 1500]) {
    const wanted = oldSpaceFor(live * MB);
    t.ok(oldSpaceUnder(restartLimitFor(wanted, outside, young), outside, young) >= wanted, `${live} MB`);
  }
  t.ok(oldSpaceUnder(100 * MB, outside, young) < 0, 'no room at all');
});

t.test('two digits, upwards', async (t) => {
  for (const [from, to] of [[768, 770], [770, 770], [771, 780], [1230, 1300], [99.5, 100], [101, 110]] as const) {
    t.equal(roundedUp(from * MB), to * MB);
  }
});
