/** test/apps/slow-service.mjs, as a child app of the real program. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { appFile } from './warden-process.js';

/** The value of the app's `supervisor` key. */
export function slowService(folder: string, env: { PORT?: number; READY_MS?: number; STOP_MS?: number } = {}): string {
  const command = JSON.stringify([process.execPath, appFile('slow-service.mjs')]);
  const all = Object.entries({ REPORT_DIR: folder, ...env }).map(([key, value]) => `${key}: "${value}"`);
  return `{ child: { command: ${command}, env: { ${all.join(', ')} } } }`;
}

/** Pids of all of its processes that were ever started, in their order. */
export function startsIn(folder: string): number[] {
  const file = join(folder, 'starts');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : [];
}
