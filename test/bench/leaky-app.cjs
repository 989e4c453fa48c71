// The app of every contestant. GET / answers its pid, GET /slow the same after 200 ms, and GET /leak makes it leak
// LEAK_MB_PER_SECOND of touched memory outside the heap. With MANNERS=polite it does what PM2's documentation asks of an
// app (https://pm2.io/docs/runtime/best-practices/graceful-shutdown/): says when it is ready, and closes its server when
// it is told to end. Otherwise it has not heard of either, as most apps.
const { createServer } = require('node:http');

const { PORT, LEAK_MB_PER_SECOND = '10', MANNERS } = process.env;
const CHUNK = 200_000; // bytes; above malloc's threshold for mmap, so that each is memory of its own
const MOST = 1e9; // bytes; a restart that never comes must not cost the machine
const SLOW_MS = 200;
const kept = [];

function leak() {
  const startedAt = performance.now();
  const timer = setInterval(() => {
    const due = Math.min(MOST, (performance.now() - startedAt) * Number(LEAK_MB_PER_SECOND) * 1000);
    while (kept.length * CHUNK < due) kept.push(Buffer.alloc(CHUNK, 1));
    if (due === MOST) clearInterval(timer);
  }, 10);
}

const server = createServer((request, response) => {
  if (request.url === '/leak') leak();
  const answer = () => response.end(String(process.pid));
  if (request.url === '/slow') setTimeout(answer, SLOW_MS);
  else answer();
});
server.listen(Number(PORT), '127.0.0.1', () => {
  if (MANNERS === 'polite') process.send?.('ready');
});

if (MANNERS === 'polite') {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close(() => process.exit(0)));
}
