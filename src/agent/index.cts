/** Entry of `node --import heapwarden/agent`, and of `--require`. The app comes first: nothing here throws. */
import { isMainThread } from 'node:worker_threads';

const LOADED = Symbol.for('heapwarden.agent');

try {
  // Worker threads run preloads too, but share the process, and with it the pid the warden knows.
  if (isMainThread && !(LOADED in globalThis)) {
    Object.defineProperty(globalThis, LOADED, { value: true });
    // Not an import: a Node too old to parse the rest of the agent must still run the app.
    (require('./start.cjs') as typeof import('./start.cjs')).start();
  }
} catch {
  // Without the agent the app runs as it would without heapwarden.
}
