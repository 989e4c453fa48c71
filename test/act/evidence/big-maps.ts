/** Locates a function in each of six scripts with 1,000,000 mapped positions each, in a folder; for a process with a small heap. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sourceLocator } from '../../../src/act/evidence/source-maps.js';

const folder = process.argv[2]!;
const map = { version: 3, sources: ['src.ts'], names: [], mappings: `AAAA;AACA${',CAAC'.repeat(999_998)}` };
const frames = Array.from({ length: 6 }, (_, i) => {
  const url = join(folder, `${i}.js`);
  writeFileSync(url, `//# sourceMappingURL=${i}.js.map\n`);
  writeFileSync(`${url}.map`, JSON.stringify(map));
  return { functionName: 'f', url, lineNumber: 1, columnNumber: 900_000 };
});
const locate = await sourceLocator(frames);
process.stdout.write(JSON.stringify(frames.map((frame) => locate(frame))));
