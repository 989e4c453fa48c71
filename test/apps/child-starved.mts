// Looks at itself with no descriptor left, and again with some: prints what became of `identify` and `snapshot`.
import { closeSync, openSync } from 'node:fs';
import { LinuxProcesses } from '../../src/observe/linux.js';

const processes = new LinuxProcesses();
await processes.snapshot();
const open: number[] = [];
try {
  for (;;) open.push(openSync('/dev/null', 'r'));
} catch {
  // EMFILE
}
const codeOf = (look: Promise<unknown>) => look.then(() => 'no error', (error: NodeJS.ErrnoException) => error.code);
const starved = [await codeOf(processes.identify(process.pid)), await codeOf(processes.snapshot())];
open.forEach((fd) => closeSync(fd));
const again = (await processes.identify(process.pid)) && (await processes.snapshot()).has(process.pid);
console.log(...starved, again ? 'alive' : 'gone');
