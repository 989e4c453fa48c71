// A server on PORT that gives no thought to its end. Reports itself to REPORT_DIR as child-app.cjs does, and behaves as
// the file MODE in there says when it starts: `exit`, `deaf` (never listens), `sick` (answers 5xx), else well. Its HOW:
// `closes` ends itself on SIGTERM, `fastify` is an app of that kind, `options` calls listen({ port }).
const { existsSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { createServer } = require('node:http');
const { join } = require('node:path');

const { REPORT_DIR, PORT, HOW = 'plain', FASTIFY } = process.env;
const modeFile = join(REPORT_DIR, 'MODE');
const mode = existsSync(modeFile) ? readFileSync(modeFile, 'utf8') : 'well';
if (mode === 'exit') process.exit(4);

const me = String(process.pid);
const statusOf = (url) => (mode !== 'sick' ? 200 : url === '/health' ? 503 : 500);
const delayOf = (url) => (url === '/slow' ? 1000 : 0);

function report() {
  const draft = join(REPORT_DIR, `${me}.draft`);
  writeFileSync(draft, JSON.stringify({ pid: process.pid, ppid: process.ppid, how: mode, cwd: '', env: {} }));
  renameSync(draft, join(REPORT_DIR, `${me}.json`));
}

if (mode === 'deaf') {
  setInterval(() => {}, 1000);
  report();
} else if (HOW === 'fastify') {
  const app = require(FASTIFY)();
  for (const path of ['/', '/slow', '/health']) {
    app.get(path, async (_request, reply) => {
      await new Promise((resolve) => setTimeout(resolve, delayOf(path)));
      return reply.code(statusOf(path)).send(me);
    });
  }
  process.on('SIGTERM', () => app.close().then(() => process.exit(0)));
  app.listen({ port: Number(PORT), host: 'localhost' }).then(report);
} else {
  const server = createServer(({ url }, response) => {
    if (url === '/endless') return void response.write('it goes on');
    setTimeout(() => response.writeHead(statusOf(url)).end(me), delayOf(url));
  });
  if (HOW === 'closes') process.on('SIGTERM', () => server.close(() => process.exit(0)));
  if (HOW === 'options') server.listen({ port: PORT, host: '0.0.0.0' }, report);
  else server.listen(Number(PORT), report);
}
