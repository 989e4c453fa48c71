/**
 * The report a config file gets, on a machine that is always the same. To write the expected report of a new file in
 * bad/, print it, read it as its user would, and only then save it:
 *
 *     npx tsx test/config/report-of.ts test/config/bad/size.yml
 *     npx tsx test/config/report-of.ts test/config/bad/size.yml > test/config/bad/size.txt
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../../src/errors.js';
import { parseConfig } from '../../src/config/parse.js';
import type { Host } from '../../src/config/paths.js';

export const HOST: Host = { platform: 'linux', uid: 1000, env: {}, home: '/home/ada', tmpdir: '/tmp' };

export function reportOf(path: string): string {
  try {
    parseConfig(readFileSync(path, 'utf8'), { ...HOST, file: basename(path) });
    return 'no problem\n';
  } catch (error) {
    if (error instanceof ConfigError) return `${error.message}\n`;
    throw error;
  }
}

const [, script, path] = process.argv;
if (script === fileURLToPath(import.meta.url) && path) process.stdout.write(reportOf(path));
