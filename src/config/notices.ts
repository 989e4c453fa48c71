import { formatBudget, formatDuration } from '../units.js';
import type { AppConfig, Config } from './schema.js';

/** `for` of the limit alerts in rules/heapwarden.rules.yml; PromQL cannot take a duration from a metric. */
const RULES_HOLD_MS = 30_000;

/** `for` of HeapwardenRestartOverdue there. */
const RULES_OVERDUE_MS = 900_000;

/** The default of restart.stop_timeout, which nobody has asked for. */
const STOP_TIMEOUT_MS = 10_000;

/** What this version does with one key of one app; `message` is a whole sentence that names both. */
export interface Notice {
  app: string;
  key: string;
  message: string;
}

/** Settings that are accepted and do not do what one may expect: this version does not act on them, or not everywhere. */
export function noticesOf(config: Config, platform: NodeJS.Platform = process.platform): Notice[] {
  return config.apps.flatMap((app) => {
    const notices: Notice[] = [];
    const add = (key: string, what: string) => notices.push(notice(app, key, what));
    if (app.runtime === 'none') {
      for (const resource of ['heap', 'freeze'] as const) {
        if (app.limits[resource]) add(`limits.${resource}`, 'has no effect with runtime: none; it takes an agent');
      }
      if (app.evidence.snapshot) add('evidence.snapshot', 'has no effect with runtime: none; it takes an agent');
    }
    if (app.restart.ready?.status !== undefined && app.restart.ready.http === undefined) {
      add('restart.ready.status', 'has no effect without restart.ready.http');
    }
    if (app.supervisor.systemd !== undefined && app.restart.stop_timeout !== STOP_TIMEOUT_MS) {
      const who = "the unit's TimeoutStopSec= says when it is killed";
      add('restart.stop_timeout', `only bounds how long requests may take to end; ${who}`);
    }
    const signal = signalOf(app);
    if (signal !== null && platform === 'win32') {
      add('supervisor.external.restart.signal', `(${signal}) is nothing that Windows has: the process is ended, as taskkill does it`);
    }
    for (const resource of ['rss', 'heap'] as const) {
      const hold = app.limits[resource]?.for ?? RULES_HOLD_MS;
      if (config.trigger === 'embedded' || hold === RULES_HOLD_MS) continue;
      const [ours, theirs] = [formatDuration(hold), formatDuration(RULES_HOLD_MS)];
      add(`limits.${resource}.for`, `(${ours}) is not known to the alert rules, which wait ${theirs}; change it there too`);
    }
    const { jitter } = app.restart;
    if (jitter >= RULES_OVERDUE_MS) {
      const [ours, theirs] = [formatDuration(jitter), formatDuration(RULES_OVERDUE_MS)];
      const rule = `HeapwardenRestartOverdue waits ${theirs}`;
      add('restart.jitter', `(${ours}) is not known to the alert rules: ${rule}; change it there too`);
    }
    const spent = spentByPlan(app);
    if (spent !== null) add('restart.budget', spent);
    return notices;
  });
}

/** Settings that are accepted and that cannot be done at all, in this version or together: it does not start with them. */
export function unsupportedIn(config: Config, platform: NodeJS.Platform = process.platform): Notice[] {
  return config.apps.flatMap((app) => {
    const notices = absentFrom(platform, app).map(([key, what]) => notice(app, key, what));
    const unmet = app.runtime === 'agent' ? [] : keysOfAgent(app);
    notices.push(...unmet.map((key) => notice(app, key, `takes the agent, and runtime is ${app.runtime}`)));
    if (app.restart.ready?.pm2 && app.supervisor.pm2 === undefined) {
      notices.push(notice(app, 'restart.ready.pm2', 'is for apps under PM2; use http, tcp or agent'));
    }
    return notices;
  });
}

/** Settings of an app that only `runtime: agent` can do. */
export function keysOfAgent({ supervisor, restart }: AppConfig): string[] {
  return [
    ...(supervisor.child?.listen === undefined ? [] : ['supervisor.child.listen']),
    ...(restart.ready?.agent ? ['restart.ready.agent'] : []),
  ];
}

/** What takes a system that this one is not, by its key. */
function absentFrom(platform: NodeJS.Platform, { supervisor, runtime }: AppConfig): [key: string, what: string][] {
  const absent: [key: string, what: string][] = [];
  if (platform === 'win32' && supervisor.child?.listen !== undefined) {
    absent.push(['supervisor.child.listen', 'takes POSIX: Windows hands no socket on; take it out, and the app opens its port itself']);
  }
  if (platform === 'linux') return absent;
  if (runtime === 'inspector') absent.push(['runtime', 'inspector works on Linux only; use agent, which is preloaded into the app']);
  if (supervisor.systemd !== undefined) absent.push(['supervisor.systemd', 'takes Linux, which alone has systemd']);
  if (supervisor.docker !== undefined) {
    absent.push(['supervisor.docker', 'takes Linux: elsewhere containers run in a virtual machine; run heapwarden in there']);
  }
  return absent;
}

/** A planned restart of every worker counts in the budget like any other; how many workers there are, only `child` says. */
function spentByPlan({ supervisor: { child }, schedule, limits: { uptime }, restart: { budget } }: AppConfig): string | null {
  const plan = schedule !== undefined ? 'schedule' : uptime?.restart !== undefined ? 'limits.uptime.restart' : null;
  if (!child || plan === null || child.instances < budget.count) return null;
  const { count, windowMs } = budget;
  const workers = child.instances === 1 ? '1 worker' : `${child.instances} workers`;
  const enough = formatBudget({ count: child.instances + Math.max(1, count), windowMs });
  const harm = `no limit is enforced for up to ${formatDuration(windowMs)}`;
  return `(${formatBudget(budget)}) is spent by one round of ${plan} (${workers}), and ${harm}; raise it, to ${enough} say`;
}

function signalOf({ supervisor: { external } }: AppConfig): string | null {
  return external === undefined || Array.isArray(external.restart) ? null : external.restart.signal;
}

function notice({ name }: AppConfig, key: string, what: string): Notice {
  return { app: name, key, message: `app ${JSON.stringify(name)}: ${key} ${what}` };
}
