// Starts a command and a child with no descriptor left: prints how they ended.
import { closeSync, openSync } from 'node:fs';
import { systemClock } from '../../src/clock.js';
import { LinuxProcesses } from '../../src/observe/linux.js';
import { ChildRun } from '../../src/supervisors/child-run.js';
import { runCommand } from '../../src/supervisors/external-command.js';

const processes = new LinuxProcesses();
const open: number[] = [];
try {
  for (;;) open.push(openSync('/dev/null', 'r'));
} catch {
  // EMFILE
}
const env = process.env;
const parts = { processes, clock: systemClock, onOutput: () => {}, onEnd: () => {} };
const run = new ChildRun({ app: 'shop', worker: '0', command: ['true'], cwd: '/', env }, null, parts);
const command = runCommand(['true'], { env, timeoutMs: 1000, processes, clock: systemClock });
await run.over;
run.letIn();
await run.stop(1000);
const { status, output } = await command;
open.forEach((fd) => closeSync(fd));
console.log(`command: ${status} ${output}, child: ${run.ending}`);
