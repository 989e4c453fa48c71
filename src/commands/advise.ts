import { clean } from '../monitor/cells.js';
import type { AdviceStatus, AppAdvice } from '../publish/advice.js';
import { get } from './client.js';
import type { AdviseOptions } from './options.js';

/** `heapwarden advise [APP]`: what to change, by what the running warden has measured. Returns the exit status. */
export async function advise(options: AdviseOptions, print: (line: string) => void): Promise<number> {
  const query = options.app === null ? '' : `?${new URLSearchParams({ app: options.app })}`;
  const { apps } = (await get(options, `api/v1/advice${query}`)) as { apps: AppAdvice[] };
  if (options.json) print(JSON.stringify(apps, null, 2));
  else if (apps.length === 0) print('no app is configured, so there is nothing to advise on');
  else {
    const lines = apps.flatMap(({ app, advice }) => advice.flatMap((one) => linesOf(app, one)));
    for (const line of lines) print(clean(line, { unicode: true }));
  }
  return 0;
}

/** What was measured, and below it what to do. */
function linesOf(app: string, { workers: [first, ...others], sentence, change }: AdviceStatus): string[] {
  const same = others.length === 0 ? '' : ` (the same of ${others.map((worker) => `${app}/${worker}`).join(', ')})`;
  return [`${app}/${first} ${sentence}${same}`, ...(change === null ? [] : [`    → ${change}`])];
}
