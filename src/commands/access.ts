import { readFile } from 'node:fs/promises';
import { HeapwardenError, messageOf } from '../errors.js';
import { bearerOf, ownBearerOf } from '../http/bearer.js';
import type { Access, Credentials } from '../http/client.js';
import { USER_VARIABLE } from '../http/who.js';
import { readConfig } from './config.js';
import type { ClientOptions } from './options.js';

type WhereAndWho = Pick<ClientOptions, 'basicAuth' | 'tls'> & Partial<Pick<ClientOptions, 'tokenFile' | 'configFile'>>;

/**
 * How the running warden is called by those who only read: as the user of the URL or the environment, else with the token
 * of --token.file, else as nobody, and with the config's token where that is not enough. Throws HeapwardenError
 * REQUEST_FAILED for a certificate, and TOKEN_UNREADABLE for a named token, that cannot be read.
 */
export async function accessOf(options: WhereAndWho, env: NodeJS.ProcessEnv = process.env): Promise<Access> {
  const { basicAuth, tokenFile, configFile = null } = options;
  const user = basicAuth ?? env[USER_VARIABLE];
  const tls = await tlsOf(options);
  if (user) return { ...tls, credentials: { authorization: `Basic ${Buffer.from(user).toString('base64')}` } };
  if (tokenFile) return { ...tls, credentials: await bearerOf(tokenFile) };
  return { ...tls, onUnauthorized: () => configured(configFile) };
}

/** Throws HeapwardenError REQUEST_FAILED. */
export async function tlsOf({ tls }: Pick<ClientOptions, 'tls'>): Promise<Pick<Access, 'tls'>> {
  const files = Object.entries(tls ?? {}).map(async ([part, file]) => [part, await read(part, file)]);
  return files.length === 0 ? {} : { tls: Object.fromEntries(await Promise.all(files)) as NonNullable<Access['tls']> };
}

/** null where the config, or its token, cannot be read: whoever only reads may be somebody else. */
async function configured(configFile: string | null): Promise<Credentials | null> {
  try {
    return await ownBearerOf((await readConfig(configFile)).auth.token_file);
  } catch {
    return null;
  }
}

function read(part: string, file: string): Promise<Buffer> {
  return readFile(file).catch((error: unknown) => {
    const flag = part === 'ca' ? '--cacert' : `--${part}`;
    throw new HeapwardenError('REQUEST_FAILED', `${flag}=${file} cannot be read: ${messageOf(error)}`, { cause: error });
  });
}
