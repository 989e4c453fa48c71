import { systemClock } from '../clock.js';
import type { AppHistory } from '../publish/day.js';
import { Feed } from '../monitor/feed.js';
import { isInteractive, lookOf } from '../monitor/look.js';
import { emptyView, monitor as live } from '../monitor/monitor.js';
import { plainLines } from '../monitor/plain.js';
import { accessOf } from './access.js';
import type { MonitorOptions } from './options.js';

/** `heapwarden monitor`: live where somebody looks, once for pipes and scripts. Returns the exit status. */
export async function monitor(options: MonitorOptions, print: (line: string) => void): Promise<number> {
  const { url, once, json } = options;
  const { stdin: input, stdout: output, env, platform } = process;
  const look = lookOf(env, { isTTY: output.isTTY, platform });
  const feed = new Feed(url, systemClock, await accessOf(options));
  if (!once && !json && isInteractive(env, { input: input.isTTY, output: output.isTTY })) {
    return live({ feed, clock: systemClock, look, terminal: { input, output } });
  }
  const told = await feed.look();
  const advice = await feed.advice();
  if (json) {
    print(JSON.stringify({ ...told, advice }, null, 2));
    return 0;
  }
  const histories = new Map<string, AppHistory>();
  for (const { app } of told.apps) {
    const history = await feed.history(app, '1h');
    if (history) histories.set(app, history);
  }
  const view = { ...emptyView(url, systemClock.now()), ...told, advice, histories };
  for (const line of plainLines(view, look)) print(line);
  return 0;
}
