import type { RestartOptions } from '../../src/supervisors/contract.js';

/** Options of a restart that stops first and asks nobody whether the new process is ready, but for what is given. */
export function stopFirst(options: Pick<RestartOptions, 'stopTimeoutMs' | 'signal'> & Partial<RestartOptions>): RestartOptions {
  return { mode: 'stop_first', isReady: async () => true, ...options };
}
