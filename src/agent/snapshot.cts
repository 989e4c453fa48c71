import { chmodSync, closeSync, openSync } from 'node:fs';
import { writeHeapSnapshot } from 'node:v8';

/** Holds the app for about a second per 10 MB of heap, and takes several times the heap. Throws. */
export function writeSnapshot(path: string): void {
  // V8 opens it anew: made first, it is nobody else's to read from the beginning.
  closeSync(openSync(path, 'wx', 0o600));
  writeHeapSnapshot(path);
  chmodSync(path, 0o600);
}
