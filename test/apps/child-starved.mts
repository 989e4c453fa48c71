// Looks at itself with few descriptors, with none left but its own, with none at all, and again with some: prints how
// many it keeps, what became of `identify` and `snapshot`, and whether its descriptors are counted with none left.
import { closeSync, openSync } from 'node:fs';
import { LinuxProcesses } from '../../src/observe/linux.js';
import { openFiles } from '../open-files.js';

const processes = new LinuxProcesses();
await processes.snapshot();
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
const look = async () => [await codeOf(processes.identify(process.pid)), await codeOf(processes.snapshot())];
starve();
const givingWay = await look();
processes.close();
starve();
const starved = await look();
const counted = await processes.openFds(process.pid);
open.forEach((fd) => closeSync(fd));
const again = (await processes.identify(process.pid)) && (await processes.snapshot()).has(process.pid);
console.log(kept.length, ...givingWay, ...starved, again ? 'alive' : 'gone', counted !== null && counted >= 80 ? 'counted' : counted);
