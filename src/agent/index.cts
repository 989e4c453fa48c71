/** Entry of `node --import heapwarden/agent`, and of `--require`. The app comes first: nothing here throws. */
import { claim } from './claim.cjs';
import { onlyStarts } from './package-manager.cjs';

try {
  // Worker threads run preloads too, but share the process, and with it the pid the warden knows. So does what starts the
  // app (`npm start`): its heap may be larger than a small app's, and its loop turns on while the app is frozen.
  if (!inWorkerThread() && !onlyStarts(process.argv[1], process.env) && claim()) {
    // Not an import: a Node too old to parse the rest of the agent must still run the app.
    (require('./start.cjs') as typeof import('./start.cjs')).start();
  }
} catch {
  // Without the agent the app runs as it would without heapwarden.
}

/**
 * Not by isMainThread of node:worker_threads, which takes 0.4 to 0.7 MB to be loaded. In a worker thread Node replaces
 * what would end or change the whole process by a function that throws, and marks it so: Node 18 to 26 in
 * lib/internal/process/worker_thread_only.js.
 */
function inWorkerThread(): boolean {
  return (process.abort as { disabled?: boolean }).disabled === true;
}
