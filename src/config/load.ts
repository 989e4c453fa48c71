import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HeapwardenError, messageOf } from '../errors.js';
import { parseConfig } from './parse.js';
import type { Host } from './paths.js';
import type { Config } from './schema.js';

/**
 * Reads and parses a config file. Throws HeapwardenError CONFIG_UNREADABLE where it cannot be read, and ConfigError
 * where it is wrong. `host` may replace what the config depends on beside the file.
 */
export async function loadConfig(file: string, host: Partial<Host> = {}): Promise<Config> {
  return parseConfig(await readText(file), { ...host, file });
}

/** Throws HeapwardenError CONFIG_UNREADABLE, which says what to do. `flag`: by which a person names the file. */
export async function readText(file: string, flag = '--config.file'): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new HeapwardenError('CONFIG_UNREADABLE', unreadable(resolve(file), flag, error), { cause: error });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    const message = `${resolve(file)} is not UTF-8 text; save it as UTF-8`;
    throw new HeapwardenError('CONFIG_UNREADABLE', message, { cause: error });
  }
}

function unreadable(file: string, flag: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return `there is no config file at ${file}; write one there, or name yours with ${flag}`;
    case 'EACCES':
    case 'EPERM':
      return `heapwarden may not read ${file}; change its permissions, or run heapwarden as a user who may`;
    case 'EISDIR':
      return `${file} is a folder; name the config file in it with ${flag}`;
    default:
      return `could not read ${file}: ${messageOf(error)}`;
  }
}
