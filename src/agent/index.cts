/** Entry of `node --import heapwarden/agent`, and of `--require`. The app comes first: nothing here throws. */
import type * as Claim from './claim.cjs';
import type * as PackageManager from './package-manager.cjs';
import type * as Start from './start.cjs';

try {
  // Not imported: a Node too old to parse the agent must still run the app.
  const { onlyStarts } = require('./package-manager.cjs') as typeof PackageManager;
  const { claim } = require('./claim.cjs') as typeof Claim;
  // Worker threads run preloads too, but share the process, and with it the pid the warden knows. So does what starts the
  // app (`npm start`): its heap may be larger than a small app's, and its loop turns on while the app is frozen.
  if (!inWorkerThread() && !onlyStarts(process.argv[1], process.env) && claim()) {
    (require('./start.cjs') as typeof Start).start();
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
