import { systemClock } from '../clock.js';
import { HeapwardenError } from '../errors.js';
import { clean, paint } from '../monitor/cells.js';
import { Feed } from '../monitor/feed.js';
import { healthOf } from '../monitor/health.js';
import { lookOf } from '../monitor/look.js';
import { accessOf } from './access.js';
import type { LookOptions } from './options.js';

/** Exit status where no warden answers, or none that tells: whether anything is wrong is then not known. */
const NOT_KNOWN = 3;

export interface Printers {
  print(line: string): void;
  printError(line: string): void;
}

/** `heapwarden status`: one look. Returns the exit status: 0 all is normal, 1 something is not, 3 nobody tells. */
export async function status(options: LookOptions, { print, printError }: Printers): Promise<number> {
  const { url, json } = options;
  try {
    const told = await new Feed(url, systemClock, await accessOf(options)).look();
    const health = healthOf(told);
    const { ok, summary, troubles, wrong, notes } = health;
    const look = lookOf(process.env, { isTTY: process.stdout.isTTY, platform: process.platform });
    if (json) print(JSON.stringify({ ...health, status: told.status }, null, 2));
    else {
      print(clean(`heapwarden ${told.status.version} at ${url}: ${ok ? 'all is normal' : 'not all is normal'}; ${summary}`, look));
      for (const trouble of troubles) print(paint(`  ${trouble}`, 'critical', look));
      for (const { app, worker, level, sentence } of wrong) print(paint(clean(`  ${worker === null ? app : `${app}/${worker}`}: ${sentence}`, look), level, look));
      for (const { app, worker, sentence } of notes) print(clean(`  ${app}/${worker}: ${sentence}`, look));
    }
    return ok ? 0 : 1;
  } catch (error) {
    if (!(error instanceof HeapwardenError)) throw error;
    if (json) print(JSON.stringify({ ok: false, error: error.message }, null, 2));
    else printError(`heapwarden: ${error.message}`);
    return NOT_KNOWN;
  }
}
