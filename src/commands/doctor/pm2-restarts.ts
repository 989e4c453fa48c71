import { formatBytes, formatDuration } from '../../units.js';
import { fixIn } from './ecosystem.js';
import { ofApp, run, type Finding, type Fix, type Told, type Verdict } from './finding.js';
import { shellText } from './command.js';
import type { Pm2App } from './pm2-app.js';

/**
 * PM2's own restarts of apps that heapwarden is to restart: unrecorded, without evidence, past every gate. `wrapped`:
 * names of the apps of which PM2 sees a wrapper alone.
 */
export function judgePm2Restarts(pm2: Told<readonly Pm2App[]>, wrapped: ReadonlySet<string>): Verdict {
  if ('why' in pm2) return { findings: [], notChecked: [`PM2's max_memory_restart and cron_restart: ${pm2.why}`] };
  return { findings: pm2.value.flatMap((app) => [...byMemory(app, wrapped.has(app.app.name)), ...byClock(app)]), notChecked: [] };
}

function byMemory(pm2: Pm2App, isWrapped: boolean): Finding[] {
  const { app, maxMemoryRestart: theirs } = pm2;
  if (theirs === null) return [];
  const ours = app.limits.rss?.restart ?? null;
  const limit = `max_memory_restart (${formatBytes(theirs)})`;
  const both = ours === null ? '' : `limits.rss.restart (${formatBytes(ours)})`;
  const isFirst = ours !== null && theirs <= ours && !isWrapped;
  const words = isWrapped
    ? `PM2's ${limit} is held against the wrapper that it measures, and never against the app`
    : ours === null
      ? `PM2 restarts it at its own ${limit}, without a record; heapwarden has no limits.rss.restart for it`
      : isFirst
        ? `PM2's ${limit} is not above ${both}: PM2 restarts it first, without evidence, and in no cooldown or budget`
        : `PM2's ${limit} stands beside ${both}: where memory grows fast, or heapwarden waits, both restart it`;
  const theirsAsOurs = `${Math.max(1, Math.floor(theirs / 1e6))}MB`; // the least that the config takes
  const instead = ours === null ? `limits: { rss: { restart: ${theirsAsOurs} } } in heapwarden.yml instead` : '';
  return [
    {
      code: 'pm2_memory_restart',
      severity: isFirst ? 'problem' : 'warning',
      app: app.name,
      message: `${ofApp(app.name)}: ${words}`,
      fix: without(pm2, 'max_memory_restart', instead),
    },
  ];
}

function byClock(pm2: Pm2App): Finding[] {
  const { app, cronRestart } = pm2;
  if (cronRestart === null) return [];
  const { schedule, limits, time_zone } = app;
  const ours = [
    ...(schedule === undefined ? [] : [`schedule "${schedule}"`]),
    ...(limits.uptime?.restart === undefined ? [] : [`limits.uptime.restart (${formatDuration(limits.uptime.restart)})`]),
  ];
  const words =
    ours.length === 0
      ? `PM2 restarts it by its own cron_restart "${cronRestart}", all its processes at once and without a record`
      : `PM2's cron_restart "${cronRestart}" fights ${ours.join(' and ')}: both restart it`;
  const instead = `schedule: "${cronRestart}" in heapwarden.yml instead${time_zone === undefined ? '' : `, read in ${time_zone}`}`;
  return [
    {
      code: 'pm2_cron_restart',
      severity: ours.length === 0 ? 'warning' : 'problem',
      app: app.name,
      message: `${ofApp(app.name)}: ${words}`,
      fix: without(pm2, 'cron_restart', ours.length === 0 ? instead : ''),
    },
  ];
}

/** PM2 keeps a setting over `pm2 restart`, even with a file that has lost it: the app must be started anew. */
function without({ name, ecosystem }: Pm2App, key: string, instead: string): Fix {
  const more = instead === '' ? '' : `; ${instead}`;
  const stop = `pm2 delete ${shellText([name])}`;
  if (ecosystem === null) return run(`${stop}, and start it again without ${key}${more}`);
  const start = `pm2 start ${shellText([ecosystem.path])} --only ${shellText([name])}`;
  return fixIn(ecosystem, new RegExp(key), `delete ${key}, then: ${stop} && ${start}${more}`);
}
