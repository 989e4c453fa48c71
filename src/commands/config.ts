import { existsSync } from 'node:fs';
import { loadConfig } from '../config/load.js';
import { parseConfig } from '../config/parse.js';
import type { Config } from '../config/schema.js';
import { DEFAULT_CONFIG_FILE } from './options.js';

/** The config of a named file, of ./heapwarden.yml, or where that is missing too, of no file: no app is configured. */
export function readConfig(named: string | null): Promise<Config> {
  const file = named ?? DEFAULT_CONFIG_FILE;
  if (named === null && !existsSync(file)) return Promise.resolve(parseConfig('', { file }));
  return loadConfig(file);
}
