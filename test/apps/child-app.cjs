// An app that behaves as its HOW says. Once it is ready it reports itself to REPORT_DIR.
const { spawn } = require('node:child_process');
const { renameSync, writeFileSync } = require('node:fs');
const { createServer } = require('node:http');
const { join } = require('node:path');

const { HOW = 'plain', REPORT_DIR, PORT = '0', CHILD_HOW } = process.env;
const server = createServer((_request, response) => response.end(String(process.pid)));

function startChild(options) {
  const child = spawn(process.execPath, [__filename], { env: { ...process.env, HOW: CHILD_HOW }, ...options });
  child.on('error', (error) => console.error(error));
  return child;
}

switch (HOW) {
  case 'graceful': // needs 300 ms for its last work, and does not get them where it is told twice
    process.once('SIGTERM', () => setTimeout(() => finish('done'), 300));
    break;
  case 'stubborn':
    process.on('SIGTERM', () => {});
    break;
  case 'wrapper': // as `npm start` is to a service, but it does not pass signals on
    startChild({ stdio: 'inherit' });
    break;
  case 'forwards': { // as npm does
    const child = startChild({ stdio: 'inherit' });
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    child.on('exit', (code) => process.exit(code ?? 1));
    break;
  }
  case 'ignores': // does not pass signals on, nor ends by itself
    startChild({ stdio: 'inherit' });
    process.on('SIGTERM', () => {});
    break;
  case 'detaches': // its child has a session of its own
    startChild({ stdio: 'ignore', detached: true }).unref();
    break;
}

function finish(what) {
  writeFileSync(join(REPORT_DIR, `${process.pid}.${what}`), '');
  process.exit(0);
}

function report() {
  const { HEAPWARDEN_APP, HEAPWARDEN_WORKER, HEAPWARDEN_SOCKET, FOO } = process.env;
  const env = { HEAPWARDEN_APP, HEAPWARDEN_WORKER, HEAPWARDEN_SOCKET, FOO };
  const { pid, ppid } = process;
  const draft = join(REPORT_DIR, `${pid}.draft`);
  writeFileSync(draft, JSON.stringify({ pid, ppid, how: HOW, cwd: process.cwd(), env }));
  renameSync(draft, join(REPORT_DIR, `${pid}.json`));
  if (HOW === 'crash') process.exit(3);
}

// Only the innermost holds the port.
if (CHILD_HOW === undefined || HOW === CHILD_HOW) server.listen(Number(PORT), '127.0.0.1', report);
else report();
setInterval(() => {}, 1000);
