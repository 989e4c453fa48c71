import { readFile } from 'node:fs/promises';
import { HeapwardenError, messageOf } from '../errors.js';
import type { Access } from '../http/client.js';
import { readToken } from '../http/token.js';
import type { ClientOptions } from './options.js';

/** `user:password` for a warden whose web config has users; in a variable, since others can read a command line. */
const USER_VARIABLE = 'HEAPWARDEN_BASIC_AUTH';

type WhereAndWho = Pick<ClientOptions, 'basicAuth' | 'tls'> & Partial<Pick<ClientOptions, 'tokenFile'>>;

/**
 * How the running warden is called by those who only read: as the user of the URL or the environment, else with the token
 * of --token.file. Throws HeapwardenError REQUEST_FAILED for a certificate, and TOKEN_UNREADABLE for a token, that cannot
 * be read.
 */
export async function accessOf({ basicAuth, tokenFile, tls }: WhereAndWho, env: NodeJS.ProcessEnv = process.env): Promise<Access> {
  const user = basicAuth ?? env[USER_VARIABLE];
  const authorization = user ? `Basic ${Buffer.from(user).toString('base64')}` : tokenFile ? `Bearer ${await readToken(tokenFile)}` : null;
  const files = Object.entries(tls ?? {}).map(async ([part, file]) => [part, await read(part, file)]);
  return {
    ...(authorization === null ? {} : { authorization }),
    ...(files.length === 0 ? {} : { tls: Object.fromEntries(await Promise.all(files)) as NonNullable<Access['tls']> }),
  };
}

function read(part: string, file: string): Promise<Buffer> {
  return readFile(file).catch((error: unknown) => {
    const flag = part === 'ca' ? '--cacert' : `--${part}`;
    throw new HeapwardenError('REQUEST_FAILED', `${flag}=${file} cannot be read: ${messageOf(error)}`, { cause: error });
  });
}

export const SET_USER = `set ${USER_VARIABLE}=user:password`;
/** What to do about a 401 to somebody who only reads. */
export const NEEDS_USER = `${SET_USER}, or name the token with --token.file`;
