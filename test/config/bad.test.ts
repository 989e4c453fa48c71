/**
 * Each file of bad/ has one defect (all-at-once.yml: many) and, beside it, the report a person gets for it. The
 * reports are written by hand: report-of.ts says how. Nothing here updates them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { reportOf } from './report-of.js';

const bad = fileURLToPath(new URL('bad/', import.meta.url));
const files = readdirSync(bad);
const names = files.filter((file) => file.endsWith('.yml')).map((file) => file.slice(0, -'.yml'.length));

t.test('every file and every report has its other half', async (t) => {
  t.ok(names.length >= 50, `${names.length} files`);
  t.same(files.filter((file) => file.endsWith('.txt')).toSorted(), names.map((name) => `${name}.txt`).toSorted());
});

for (const name of names) {
  t.test(name, async (t) => {
    t.equal(reportOf(`${bad}${name}.yml`), readFileSync(`${bad}${name}.txt`, 'utf8'));
  });
}
