import type { AppConfig } from '../../config/schema.js';
import { parseBytes } from '../../units.js';
import type { Ecosystem } from './ecosystem.js';

/** A configured app as PM2 has it. */
export interface Pm2App {
  app: AppConfig;
  /** Its name in PM2. */
  name: string;
  pids: readonly number[];
  /** Bytes; the least of its processes'. null where PM2 does not restart it for memory. */
  maxMemoryRestart: number | null;
  /** As written; null where there is none. */
  cronRestart: string | null;
  ecosystem: Ecosystem | null;
}

/** Of the pm2_env of each of its processes. Pure. */
export function pm2Limits(settings: readonly Record<string, unknown>[]): Pick<Pm2App, 'maxMemoryRestart' | 'cronRestart'> {
  const limits = settings.flatMap(({ max_memory_restart: limit }) =>
    typeof limit === 'number' || typeof limit === 'string' ? (parseBytes(limit) ?? []) : [],
  );
  // PM2 takes 0 for none.
  const crons = settings.flatMap(({ cron_restart: cron }) => (typeof cron === 'string' && cron !== '0' && cron !== '' ? cron : []));
  return { maxMemoryRestart: limits.length > 0 ? Math.min(...limits) : null, cronRestart: crons[0] ?? null };
}
