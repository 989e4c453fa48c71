import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fix } from './finding.js';

/** PM2's own names for it: https://pm2.keymetrics.io/docs/usage/application-declaration/ */
const NAMES = ['js', 'cjs', 'mjs', 'json', 'yml', 'yaml'].map((extension) => `ecosystem.config.${extension}`);

/** The file from which an app was probably started: PM2 does not keep which one it was. */
export interface Ecosystem {
  path: string;
  text: string;
}

/** In the app's own folder; null where there is none. */
export async function readEcosystem(folder: string): Promise<Ecosystem | null> {
  const files = await Promise.all(
    NAMES.map((name) => join(folder, name)).map((path) => readFile(path, 'utf8').then((text) => ({ path, text }), () => null)),
  );
  return files.find((file) => file !== null) ?? null;
}

/** With the line, where only one speaks of it. Pure. */
export function fixIn(ecosystem: Ecosystem, pattern: RegExp, text: string): Fix {
  const lines = ecosystem.text.split('\n').flatMap((line, i) => (pattern.test(line) ? [i + 1] : []));
  return { file: ecosystem.path, line: lines.length === 1 ? lines[0]! : null, text };
}
