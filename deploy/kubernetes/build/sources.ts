import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Sources } from './manifests.js';

const ENDING = '.rules.yml';

/** What the manifests are made from, as it is in this repository. */
export function readSources(): Sources {
  const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');
  const files = readdirSync(fileURLToPath(new URL('../../../rules', import.meta.url))).filter((name) => name.endsWith(ENDING));
  return {
    // The wardens' own rules before the relay's.
    rules: Object.fromEntries(files.toSorted((a, b) => a.length - b.length).map((name) => [name.slice(0, -ENDING.length), read(`rules/${name}`)])),
    alertmanager: read('deploy/alertmanager.yml'),
    prometheus: read('deploy/prometheus.yml'),
  };
}
