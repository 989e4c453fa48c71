// A service that is slow in all it does: opens PORT after READY_MS, ends STOP_MS after a SIGTERM. Each process that is
// started writes its pid into REPORT_DIR/starts, and where the file REPORT_DIR/broken is there, ends at once.
import { appendFileSync, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const { REPORT_DIR, PORT = '0', READY_MS = '0', STOP_MS = '0' } = process.env;
process.on('SIGTERM', () => setTimeout(() => process.exit(0), Number(STOP_MS)));
appendFileSync(join(REPORT_DIR, 'starts'), `${process.pid}\n`);
if (existsSync(join(REPORT_DIR, 'broken'))) process.exit(3);
const server = createServer((_request, response) => response.end(String(process.pid)));
setTimeout(() => server.listen(Number(PORT), '127.0.0.1'), Number(READY_MS));
