/** Entry of `node --import heapwarden/agent`, and of `--require`. The app comes first: nothing here throws. */
import { isMainThread } from 'node:worker_threads';
import { claim } from './claim.cjs';

try {
  // Worker threads run preloads too, but share the process, and with it the pid the warden knows.
  if (isMainThread && claim()) {
    // Not an import: a Node too old to parse the rest of the agent must still run the app.
    (require('./start.cjs') as typeof import('./start.cjs')).start();
  }
} catch {
  // Without the agent the app runs as it would without heapwarden.
}
