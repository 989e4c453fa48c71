// Looks at itself with few descriptors, with none left but its own, with none at all, and again with some: prints how
// many it keeps, what became of `snapshot` and `identify`, and whether its descriptors are counted with none left. The
// clock is set meanwhile, for which a snapshot reads one file more.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { LinuxProcesses } from '../../src/observe/linux.js';
import { openFiles } from '../open-files.js';

let aheadMs = 0;
const processes = new LinuxProcesses(() => Date.now() + aheadMs);
// Of its own, lest a machine have fewer than it may keep: the kernel's threads are not kept from the second look on.
const others = Array.from({ length: 12 }, () => spawn('sleep', ['60'], { stdio: 'ignore' }));
for (let looks = 0; looks < 2; looks++) await processes.snapshot();
const kept = openFiles().filter((name) => /^\/proc\/\d+\/stat$/.test(name));
const open: number[] = [];
const starve = (): void => {
  try {
    for (;;) open.push(openSync('/dev/null', 'r'));
  } catch {
    // EMFILE
  }
};
const codeOf = (look: Promise<unknown>) => look.then(() => 'no-error', (error: NodeJS.ErrnoException) => error.code);
const look = async () => [await codeOf(processes.snapshot()), await codeOf(processes.identify(process.pid))];
starve();
aheadMs = 10_000;
const givingWay = await look();
processes.close();
starve();
const starved = await look();
const counted = await processes.openFds(process.pid);
open.forEach((fd) => closeSync(fd));
const again = (await processes.identify(process.pid)) && (await processes.snapshot()).has(process.pid);
console.log(kept.length, ...givingWay, ...starved, again ? 'alive' : 'gone', counted !== null && counted >= 80 ? 'counted' : counted);
for (const other of others) other.kill();
