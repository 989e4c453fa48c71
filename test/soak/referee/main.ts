/**
 * `tsx main.ts DIR`: watches a soak from outside until its stdin ends, then prints its verdict as a
 * table, and the whole of what it goes by into DIR/records.json. Exit status 1: something did not hold.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { curve } from './curve.js';
import { holds, judge } from './judge.js';
import { verdict } from './table.js';
import { Watch } from './watch.js';

const dir = process.argv[2];
if (dir === undefined) throw new Error('usage: tsx test/soak/referee/main.ts DIR');
const watch = new Watch(dir);
watch.start();
writeFileSync(join(dir, 'watching'), '');
process.stdin.resume();
await once(process.stdin, 'end');
const records = watch.end();
const findings = judge(records);
writeFileSync(join(dir, 'records.json'), JSON.stringify(records));
console.log(`${verdict(findings)}\n\n${curve(records)}`);
process.exitCode = holds(findings) ? 0 : 1;
