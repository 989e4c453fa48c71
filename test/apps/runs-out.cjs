// Runs out of memory, of the kind that RUNS_OUT_OF names: `heap` (V8's, with a low --max-old-space-size) or `memory`
// (outside the heap, until the kernel has no more for it). It says its pid, lives for two seconds, and then takes some
// 40 MB a second. Where RUNS_OUT_ONCE names a file, only the process that makes it does so.
const { existsSync, writeFileSync } = require('node:fs');
const kept = [];
const take = {
  heap: () => kept.push(Array.from({ length: 30_000 }, (_, i) => ({ i }))),
  memory: () => kept.push(Buffer.alloc(2_000_000, 1)),
}[process.env.RUNS_OUT_OF];

console.log(`started as ${process.pid}`);
const mark = process.env.RUNS_OUT_ONCE;
if (mark === undefined || !existsSync(mark)) {
  if (mark !== undefined) writeFileSync(mark, '');
  setTimeout(() => setInterval(take, 50), 2000);
}
setInterval(() => {}, 1000);
