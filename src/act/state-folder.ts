import { HeapwardenError, messageOf } from '../errors.js';

/** STATE_UNWRITABLE, in the words of whoever first needed the folder. */
export function stateUnwritable(stateDir: string, error: unknown): HeapwardenError {
  return new HeapwardenError(
    'STATE_UNWRITABLE',
    `the state folder ${stateDir} cannot be used: ${messageOf(error)}. ` +
      'Make it writable for this user, or set state_dir in the config',
    { cause: error },
  );
}
