import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { bootTimeMs, parseClockTicks, parsePageBytes, parseProcStat } from '../../src/observe/linux.js';
import { cgroupFolders, memoryCgroup } from '../../src/observe/cgroup.js';
import { anyText, damagedText } from './damage.js';
import { target } from './target.js';

const STAT = '42 (node) S 1 42 42 0 -1 4194560 9000 10 3 4 250 30 1 2 20 0 11 0 123456 1100000000 20000 18446744073709551615 1 1 0 0 0 0 0 4096 17642 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n';
/** A process may call itself what it likes, up to 15 bytes; the kernel bounds it, we do not count on that. */
const names = fc.oneof(fc.string({ unit: 'binary', maxLength: 30 }), fc.constantFrom(') S 1 1', ')) R ', '(', '\n', ') Z 0 '), fc.integer({ min: 1, max: 2000 }).map((n) => ') S 1 '.repeat(n)));

export const proc = [
  target('/proc/PID/stat: any name', fc.record({ name: names, pid: fc.integer({ min: 1, max: 2 ** 22 }), start: fc.nat() }), ({ name, pid, start }) => {
    const stat = parseProcStat(STAT.replace('42 (node)', () => `${pid} (${name})`).replace('123456', String(start)));
    assert.deepEqual(stat && [stat.pid, stat.state, stat.parent, stat.start, stat.residentPages], [pid, 'S', 1, start, 20000]);
  }),
  target('/proc/PID/stat: damaged', fc.oneof(anyText, damagedText([STAT])), (line) => {
    const stat = parseProcStat(line);
    if (!stat) return;
    const { state, ...numbers } = stat;
    assert.equal(state.length, 1);
    for (const [key, value] of Object.entries(numbers)) assert.ok(Number.isFinite(value) && value >= 0, `${key} is ${value}`);
  }),
  target('/proc/self/auxv', fc.uint8Array({ maxLength: 400 }), (bytes) => {
    for (const value of [parseClockTicks(Buffer.from(bytes)), parsePageBytes(Buffer.from(bytes))]) assert.ok(Number.isFinite(value));
  }),
  target('/proc/stat', fc.oneof(anyText, damagedText(['cpu  1 2 3\nbtime 1700000000\nprocesses 5\n'])), (text) => assert.ok(Number.isFinite(bootTimeMs(text, 1.7e12)))),
  target('/proc/PID/cgroup', fc.oneof(anyText, damagedText(['0::/system.slice/x.service\n', '4:memory:/docker/abc\n0::/\n'])), (text) => {
    const found = memoryCgroup(text, '/sys/fs/cgroup');
    assert.ok(found === null || cgroupFolders(found).every((folder) => folder.startsWith('/sys/fs/cgroup')));
  }),
];
