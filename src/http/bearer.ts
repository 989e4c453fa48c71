import { stat } from 'node:fs/promises';
import type { Credentials } from './client.js';
import { readToken } from './token.js';

const OTHERS_READ = 0o044;

/** A token wherever it is sent. Throws HeapwardenError TOKEN_UNREADABLE. */
export async function bearerOf(tokenFile: string): Promise<Credentials> {
  return { authorization: `Bearer ${await readToken(tokenFile)}` };
}

/**
 * A warden's own token: on this machine it goes to root, this user, and the owner of its file alone, as whoever holds the
 * warden's port while it is down would be sent it. Not told apart are the users of a file that a group may read (access
 * control lists show as one), nor those of other systems than Linux. Throws HeapwardenError TOKEN_UNREADABLE.
 */
export async function ownBearerOf(tokenFile: string): Promise<Credentials> {
  const bearer = await bearerOf(tokenFile);
  if (process.platform !== 'linux') return bearer;
  const { uid, mode } = await stat(tokenFile);
  return mode & OTHERS_READ ? bearer : { ...bearer, knownTo: [0, process.geteuid!(), uid] };
}
