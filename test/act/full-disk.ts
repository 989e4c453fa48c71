/** A warden whose disk has room for half a line more; afterwards somebody makes room.
 * Prints what it was told. The second argument `close`: nothing comes after that but the close. */
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Journal } from '../../src/act/journal.js';
import { messageOf } from '../../src/errors.js';
import { incidentOf } from './support.js';

/** Bytes that any file of this process may have; the write that goes beyond ends as on a full disk, half done. */
function limitFiles(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
}

const dir = process.argv[2]!;
const size = () => statSync(join(dir, 'journal.jsonl')).size;
process.on('SIGXFSZ', () => {}); // it would end the process

const { journal } = await Journal.open(dir);
await journal.record(incidentOf({ id: 'before', outcome: null }));
const before = size();
limitFiles(before + 100);
const refused = await journal.record(incidentOf({ id: 'lost' })).then(() => 'written', messageOf);
const left = size() - before;
await journal.record(incidentOf({ id: 'told', action: 'refuse', reason: 'cooldown', outcome: null })).catch(() => {});
const outcome = incidentOf({ id: '' }).outcome!;
const again = await journal.complete('before', outcome).then(() => 'written', messageOf);
await journal.complete('before', { ...outcome, sentence: 'the newest' }).catch(() => {});
limitFiles('unlimited');
if (process.argv[3] !== 'close') await journal.record(incidentOf({ id: 'after' }));
await journal.close();
console.log(JSON.stringify({ refused, left, again }));
