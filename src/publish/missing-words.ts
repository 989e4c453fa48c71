/** Pure: what the terminal and the page say of an app without a worker; loaded by the browser too, so without imports. */
import type { AppStatus } from './app-shape.js';

/** null where it has one. */
export function missingWords({ workers, supervisor }: Pick<AppStatus, 'workers' | 'supervisor'>): string | null {
  return workers.length === 0 ? `has no worker: ${supervisor} knows of none` : null;
}
