import { lookOf } from '../monitor/look.js';
import { appLines } from '../monitor/plain.js';
import type { AppStatus } from '../publish/app-shape.js';
import { get } from './client.js';
import type { LookOptions } from './options.js';

/** `heapwarden apps`: what runs. Returns the exit status. */
export async function apps(options: LookOptions, print: (line: string) => void): Promise<number> {
  const { apps: found } = (await get(options, 'api/v1/apps')) as { apps: AppStatus[] };
  const look = lookOf(process.env, { isTTY: process.stdout.isTTY, platform: process.platform });
  if (options.json) print(JSON.stringify(found, null, 2));
  else for (const line of appLines(found, look)) print(line);
  return 0;
}
