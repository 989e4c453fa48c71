/** `npm run grafana`: writes the dashboards beside this folder. A test holds the files against it. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DASHBOARDS, textOf } from './dashboards.js';

for (const [file, make] of Object.entries(DASHBOARDS)) {
  writeFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), textOf(make()));
}
