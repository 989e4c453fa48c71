// Logs to stderr as argv says, then exits; says on stdout what it saw meanwhile, as one JSON object.
import { writeSync } from 'node:fs';
import { createLog, openSink } from '../../src/logger.js';

const [how, last] = process.argv.slice(2);
const sink = openSink(2);
const log = createLog('json', 'info', sink);
const line = (n: number) => log.info(`line ${n}`, { pad: 'x'.repeat(60) });
const turn = () => new Promise((resolve) => setImmediate(resolve));

let longestMs = 0;
let before = performance.now();
const watch = setInterval(() => {
  const now = performance.now();
  longestMs = Math.max(longestMs, now - before);
  before = now;
}, 5);

async function spread(count: number, aTurn: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    line(n);
    if (n % aTurn === 0) await turn();
  }
}

switch (how) {
  case 'burst': // in one turn
    for (let n = 0; n < 10_000; n++) line(n);
    break;
  case 'spread': // over many turns, so that a write is under way at any time
    await spread(10_000, 37);
    break;
  case 'flood': // 20 MB, more than is kept for a reader that takes nothing
    await spread(160_000, 100);
    break;
}
const begun = performance.now();
if (last === 'flush') sink.flushSync();
const lastMs = performance.now() - begun;
clearInterval(watch);
// Past all buffers.
writeSync(1, JSON.stringify({ longestMs, lastMs, heapUsed: process.memoryUsage().heapUsed }));
if (last === 'flush') process.exit(0);
