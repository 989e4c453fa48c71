// A web server for PM2's cluster mode. Reports itself in $REPORT_DIR/<pid>.json.
// BREAK_IF names a file: while it exists, a new process behaves as the file says: `exits`, `silent` (no `ready`).
const { existsSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { createServer } = require('node:http');
const { join } = require('node:path');

const breakIf = process.env.BREAK_IF;
const how = breakIf && existsSync(breakIf) ? readFileSync(breakIf, 'utf8').trim() : '';
if (how === 'exits') process.exit(3);

const path = join(process.env.REPORT_DIR, `${process.pid}.json`);
const { FOO: foo = null, NODE_APP_INSTANCE: instance = null, HEAPWARDEN_STAND_IN: standIn = null } = process.env;
writeFileSync(`${path}.part`, JSON.stringify({ foo, instance, standIn, child: null }));
renameSync(`${path}.part`, path);

const server = createServer(({ url }, response) => {
  setTimeout(() => response.end(String(process.pid)), url === '/slow' ? 300 : 0);
});
server.listen(Number(process.env.APP_PORT ?? 0), '127.0.0.1', () => {
  console.log(`listening as ${process.pid}`);
  if (process.env.SAYS_READY && how !== 'silent') process.send('ready');
});
