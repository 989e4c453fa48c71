// `npm start`: heapwarden over a leaking app. Its state lives in a folder of its own that goes away with it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const state = mkdtempSync(join(tmpdir(), 'heapwarden-demo-'));
process.on('exit', () => rmSync(state, { recursive: true, force: true }));

console.log(`The demo: heapwarden runs a shop that leaks about 5 MB a second. Its limits are 100 MB (warning), 130 MB (critical)
and 160 MB (restart), each for 3 seconds. Within a minute it crosses all three and is restarted. Ctrl-C ends it.
`);

// As systemd would name them for a service: see config/paths.ts.
process.env.STATE_DIRECTORY = state;
process.env.RUNTIME_DIRECTORY = state;
process.argv.splice(2, 0, 'serve', `--config.file=${fileURLToPath(new URL('heapwarden.yml', import.meta.url))}`);
await import('../../dist/cli.js');
