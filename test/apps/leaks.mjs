// Leaks LEAK_MB_PER_SECOND (default 20) of touched memory outside the heap, until it holds LEAK_MB (default 1000).
// Where LEAK_ONCE names a file, only the process that makes it leaks.
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const perSecond = Number(process.env.LEAK_MB_PER_SECOND ?? 20);
const most = Number(process.env.LEAK_MB ?? 1000);
const mark = process.env.LEAK_ONCE;
const kept = [];

if (mark === undefined || !existsSync(mark)) {
  if (mark !== undefined) writeFileSync(mark, '');
  const timer = setInterval(() => {
    if (kept.length >= most) return clearInterval(timer);
    kept.push(Buffer.alloc(1_000_000, 1));
  }, 1000 / perSecond);
}

// Keeps it alive, and answers whether it is ready.
createServer((_request, response) => response.end('ok')).listen(Number(process.env.APP_PORT ?? 0), '127.0.0.1');
