import type { Log } from '../../src/log.js';
import type { RestartOptions } from '../../src/supervisors/contract.js';

/** Options of a restart that stops first and asks nobody whether the new process is ready, but for what is given. */
export function stopFirst(options: Pick<RestartOptions, 'stopTimeoutMs' | 'signal'> & Partial<RestartOptions>): RestartOptions {
  return { mode: 'stop_first', isReady: async () => true, ...options };
}

/** A log that keeps what it is told. */
export function memoryLog(): Log & { warnings: string[]; errors: string[] } {
  const warnings: string[] = [];
  const errors: string[] = [];
  const nothing = () => {};
  return { warnings, errors, debug: nothing, info: nothing, warn: (text) => warnings.push(text), error: (text) => errors.push(text) };
}
