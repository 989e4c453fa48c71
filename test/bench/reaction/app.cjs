// Serves its pid; at GET /grow it takes 2 MB at a time, at once, until its resident memory is at LIMIT_BYTES, and 40 MB
// more, and keeps them. When it is told to stop it adds a line to REPORT: its pid, when it was at the limit, and when
// the signal came, in milliseconds since the Unix epoch.
const { appendFileSync } = require('node:fs');
const { createServer } = require('node:http');

const { PORT, REPORT, LIMIT_BYTES } = process.env;
const STEP = 2_000_000;
const BEYOND_STEPS = 20; // what one reader of /proc rounds, another does not
const MOST_STEPS = 1000; // a limit that is never seen must not cost the machine
const kept = [];
const now = () => performance.timeOrigin + performance.now();
let crossedAtMs = null;

function grow() {
  while (crossedAtMs === null && kept.length < MOST_STEPS) {
    kept.push(Buffer.alloc(STEP, 1));
    if (process.memoryUsage.rss() >= Number(LIMIT_BYTES)) crossedAtMs = now();
  }
  for (let i = 0; i < BEYOND_STEPS; i++) kept.push(Buffer.alloc(STEP, 1));
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    appendFileSync(REPORT, `${JSON.stringify({ pid: process.pid, crossedAtMs, signalAtMs: now() })}\n`);
    process.exit();
  });
}

createServer((request, response) => {
  if (request.url === '/grow') grow();
  response.end(String(process.pid));
}).listen(Number(PORT), '127.0.0.1');
