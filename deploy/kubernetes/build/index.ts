/** `npm run manifests`: writes the manifests for the Prometheus Operator. A test holds the files against it. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { manifests } from './manifests.js';
import { readSources } from './sources.js';

for (const [file, text] of Object.entries(manifests(readSources()))) {
  writeFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), text);
}
