/** Opens a journal of 60,000 restarts of 40 apps, 90 MB, in a folder; for a process with a small heap. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Journal, JOURNAL_FILE } from '../../src/act/journal.js';
import { incidentOf } from './support.js';

const dir = process.argv[2]!;
const before = 60_000;
const file = openSync(join(dir, JOURNAL_FILE), 'w');
for (let i = 0; i < before; i++) {
  const incident = incidentOf({ id: `i${i}`, app: `app ${i % 40}`, sentence: 'why '.repeat(300) });
  writeSync(file, `${JSON.stringify({ v: 1, type: 'incident', incident })}\n`);
}
closeSync(file);
const { journal, content: { incidents, damaged } } = await Journal.open(dir);
await journal.close();
process.stdout.write(JSON.stringify({ before, kept: incidents.length, damaged, newest: incidents.at(-1)?.id }));
