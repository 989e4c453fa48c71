import { HeapwardenError } from '../errors.js';
import { strangerAt } from './port-holder.js';
import { readToken } from './token.js';

/** Somebody else has the warden's port. */
export class StrangerListens extends HeapwardenError {}

/**
 * The Authorization header for a warden. Throws HeapwardenError TOKEN_UNREADABLE, and StrangerListens where it would go to
 * a program on this machine whose user may not know it.
 */
export async function bearerFor(url: string, tokenFile: string): Promise<string> {
  const token = await readToken(tokenFile);
  const uid = await strangerAt(url, tokenFile);
  if (uid === null) return `Bearer ${token}`;
  throw new StrangerListens(
    'REQUEST_FAILED',
    `what listens at ${url} is a program of user ${uid}, who may not read ${tokenFile}: the token was not sent. ` +
      'ss -ltnp tells which; if heapwarden runs as that user, the file should be its own',
  );
}
