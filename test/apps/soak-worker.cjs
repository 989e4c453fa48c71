// One worker of the soak. What it will do in each of its lives is drawn from SOAK_SEED: leak, crash, freeze, end by
// itself, or nothing. It tells its own log (SOAK_DIR/apps/APP-WORKER.jsonl) before it does anything, by the machine's
// monotonic clock in milliseconds, and writes there how long ago its loop last turned (tick.PID).
const { createHash } = require('node:crypto');
const { appendFileSync, existsSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } = require('node:fs');
const { createServer } = require('node:http');
const { join } = require('node:path');

const app = process.env.SOAK_APP;
const worker = process.env.HEAPWARDEN_WORKER ?? process.env.NODE_APP_INSTANCE ?? '0';
const folder = join(process.env.SOAK_DIR, 'apps');
const place = join(folder, `${app}-${worker}`);
const now = () => Number(process.hrtime.bigint() / 1000n) / 1000;

const stat = readFileSync('/proc/self/stat', 'latin1');
const start = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]); // field 22 of proc_pid_stat(5)
const tell = (event, more) =>
  appendFileSync(`${place}.jsonl`, `${JSON.stringify({ at: now(), pid: process.pid, start, app, worker, event, ...more })}\n`);

const life = existsSync(`${place}.lives`) ? Number(readFileSync(`${place}.lives`, 'utf8')) : 0;
writeFileSync(`${place}.lives`, String(life + 1));

let drawn = 0;
/** From 0 to 1; the same for the same seed, app, worker, life and turn. */
function random() {
  const bytes = createHash('sha256').update([process.env.SOAK_SEED, app, worker, life, drawn++].join(' ')).digest();
  return bytes.readUInt32BE(0) / 2 ** 32;
}
const between = (from, to) => from + random() * (to - from);
const oneOf = (choices) => choices[Math.floor(random() * choices.length)];

const pace = Number(process.env.SOAK_PACE_MS ?? 20_000);
const limit = Number(process.env.SOAK_LIMIT_BYTES);
const fate = oneOf(['leak', 'leak', 'leak', 'leak', 'crash', 'freeze', 'freeze', 'end', 'calm', 'calm']);
const at = between(3000, 3000 + pace);
const kept = [];

const fates = {
  /** Outside the heap, as many times a second; no further than twice its limit. */
  leak() {
    const perSecond = between(3, 12);
    tell('leaks', { perSecond });
    const timer = setInterval(() => {
      if (process.memoryUsage.rss() > 2 * limit) return clearInterval(timer);
      kept.push(Buffer.alloc(1_000_000, 1));
    }, 1000 / perSecond);
  },
  crash() {
    const how = oneOf(['throw', 'SIGKILL', 'exit 3']);
    tell('goes', { how });
    if (how === 'throw') throw new Error('the soak lets this worker crash');
    if (how === 'exit 3') process.exit(3);
    process.kill(process.pid, how);
  },
  /** With a processor or, as in a synchronous read, without. Some end before the limit, some after it, some never. */
  freeze() {
    const forMs = oneOf([1000, 2000, 15_000, 30_000, 1e9]);
    const how = oneOf(['waits', 'waits', 'spins']);
    tell('freezes', { forMs, how });
    if (how === 'waits') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
    else for (const end = now() + forMs; now() < end; );
    tell('thaws');
    setTimeout(fates.end, between(1000, pace));
  },
  end() {
    tell('goes', { how: 'exit 0' });
    process.exit(0);
  },
  calm() {
    setTimeout(fates.end, 4 * pace);
  },
};

tell('starts', { fate, life });
const ticks = openSync(join(folder, `tick.${process.pid}`), 'w');
const tick = () => writeSync(ticks, now().toFixed(3).padStart(20), 0);
tick();
setInterval(tick, 250);
setTimeout(() => fates[fate](), at);

if (random() < 0.1) process.on('SIGTERM', () => tell('told', { and: 'stays' }));

const server = createServer((_request, response) => {
  // A little work and a little garbage.
  response.end(JSON.stringify(Array.from({ length: 200 }, (_, i) => ({ i, text: `line ${i}` }))));
});
const port = process.env.SOAK_PORT;
if (port) server.listen(Number(port), '127.0.0.1');
else {
  rmSync(`${place}.sock`, { force: true });
  server.listen(`${place}.sock`);
}
