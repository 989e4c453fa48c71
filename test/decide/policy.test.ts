import t from 'tap';
import type { Ask, Reason } from '../../src/decide/decision.js';
import { tooFewOthers } from '../../src/decide/gates.js';
import { decide, type Facts } from '../../src/decide/policy.js';
import { HOUR, MB, MINUTE, NOW, SECOND, appOf, askOf, workerOf } from './support.js';

const LIMITS =
  'limits: { rss: { restart: 500MB }, heap: { restart: 90% }, freeze: { restart: 15s }, uptime: { restart: 6h } }';
const RESTART = 'restart: { startup_grace: 30s, cooldown: 5m, budget: 5/1h, min_available: 1 }';

/** Nothing stands in the way of a restart for memory: every gate is open, and just so where it has a bound. */
const OPEN: Facts = {
  app: appOf(`${LIMITS}, ${RESTART}`),
  worker: workerOf({ rssBytes: 500 * MB, startedAtMs: NOW - 30 * SECOND }),
  inProgress: false,
  alertAnswered: false,
  sinceLastRestartMs: 5 * MINUTE,
  fruitless: 2,
  pause: null,
  restartsInWindow: 4,
  others: { count: 3, up: 1 },
};

const ALERT = { fingerprint: 'f1', startsAtMs: NOW - 30 * SECOND, endsAtMs: null };
const byAlert: Partial<Ask> = { origin: 'alertmanager', alert: ALERT };
const manual: Partial<Ask> = { origin: 'api', reason: 'manual' };

/** An app with one window of three hours, in UTC. */
const windowed = (cron: string, more = 'outside_windows: freeze') =>
  appOf(`${LIMITS}, ${RESTART}, ${more}, time_zone: UTC, windows: [{ cron: ${cron}, duration: 3h }]`);

interface Case {
  name: string;
  ask?: Partial<Ask>;
  facts?: Partial<Facts>;
  reason: Reason;
  sentence: string | RegExp;
}

const cases: Case[] = [
  {
    name: 'memory at its very limit, every gate at its very bound',
    reason: 'rss',
    sentence: 'shop/0: heapwarden asked for a restart (rss): its memory is 500 MB, the limit 500 MB',
  },
  {
    name: 'an alert that began as the process did',
    ask: byAlert,
    reason: 'rss',
    sentence: 'shop/0: an alert asked for a restart (rss): its memory is 500 MB, the limit 500 MB',
  },
  {
    name: 'a request claims no limit',
    ask: manual,
    facts: { worker: workerOf({ rssBytes: MB }) },
    reason: 'manual',
    sentence: 'shop/0: a request asked for a restart (manual): it will be restarted',
  },
  {
    name: 'so does a schedule',
    ask: { origin: 'schedule', reason: 'schedule' },
    facts: { worker: workerOf({ rssBytes: MB }) },
    reason: 'schedule',
    sentence: 'shop/0: the schedule asked for a restart (schedule): it will be restarted',
  },
  {
    name: 'an app that nobody configured',
    facts: { app: null, worker: null },
    reason: 'unknown_app',
    sentence: 'shop/0: heapwarden asked for a restart (rss): refused, no app of this name is configured',
  },
  {
    name: 'a worker that the app does not have',
    ask: { worker: '7' },
    facts: { worker: null },
    reason: 'unknown_app',
    sentence: 'shop/7: heapwarden asked for a restart (rss): refused, the app has no worker 7',
  },
  {
    name: 'names that would forge a line of the log',
    ask: { ...manual, app: 'a\nERROR b', worker: '\u001b[31m0' },
    facts: { app: null, worker: null },
    reason: 'unknown_app',
    sentence: 'a?ERROR b/?[31m0: a request asked for a restart (manual): refused, no app of this name is configured',
  },
  {
    name: 'an app whose agent reports in and no more',
    facts: { app: null, worker: workerOf({ supervisor: 'none' }) },
    reason: 'unmanaged',
    sentence:
      'shop/0: heapwarden asked for a restart (rss): refused, ' +
      'no app of this name is configured, so nobody is known who could start it again',
  },
  {
    name: 'a worker in the middle of a restart',
    facts: { inProgress: true },
    reason: 'in_progress',
    sentence: 'shop/0: heapwarden asked for a restart (rss): refused, this worker is being restarted already',
  },
  {
    name: 'an alert that has had its restart',
    ask: byAlert,
    facts: { alertAnswered: true },
    reason: 'duplicate',
    sentence: 'shop/0: an alert asked for a restart (rss): refused, this alert has led to a restart already',
  },
  {
    name: 'an alert that ends as it arrives',
    ask: { ...byAlert, alert: { ...ALERT, endsAtMs: NOW } },
    reason: 'stale',
    sentence: 'shop/0: an alert asked for a restart (rss): refused, the alert was over before it arrived',
  },
  {
    name: 'an alert that ends a millisecond later',
    ask: { ...byAlert, alert: { ...ALERT, endsAtMs: NOW + 1 } },
    reason: 'rss',
    sentence: 'shop/0: an alert asked for a restart (rss): its memory is 500 MB, the limit 500 MB',
  },
  {
    name: 'a process that is younger than the alert',
    ask: byAlert,
    facts: { worker: workerOf({ rssBytes: 500 * MB, startedAtMs: ALERT.startsAtMs + 4 * SECOND }) },
    reason: 'already_restarted',
    sentence: 'shop/0: an alert asked for a restart (rss): refused, the process started 4.0 s after the alert',
  },
  {
    name: 'memory below its limit',
    facts: { worker: workerOf({ rssBytes: 499 * MB }) },
    reason: 'not_breaching',
    sentence:
      'shop/0: heapwarden asked for a restart (rss): refused, ' +
      'measured again, its memory is 499 MB, below the limit of 500 MB',
  },
  {
    name: 'a heap below its limit',
    ask: { reason: 'heap' },
    facts: { worker: workerOf({ stats: { heap_used: 5 * MB } }) },
    reason: 'not_breaching',
    sentence:
      'shop/0: heapwarden asked for a restart (heap): refused, ' +
      'measured again, its heap is 5.0%, below the limit of 90%',
  },
  {
    name: 'an event loop that turns again',
    ask: { reason: 'freeze' },
    facts: { worker: workerOf({ heartbeatAtMs: NOW - 200 }) },
    reason: 'not_breaching',
    sentence:
      'shop/0: heapwarden asked for a restart (freeze): refused, ' +
      'measured again, its time without an event-loop turn is 0.2 s, below the limit of 15 s',
  },
  {
    name: 'an event loop that a debugger holds',
    ask: { reason: 'freeze' },
    facts: {
      worker: workerOf({ heartbeatAtMs: NOW - MINUTE, standstill: { cause: 'debugged', until: NOW, lasts: true } }),
    },
    reason: 'not_breaching',
    sentence:
      'shop/0: heapwarden asked for a restart (freeze): refused, ' +
      'its event loop does not turn, but a debugger is attached to its inspector',
  },
  {
    name: 'a freeze of which the warden has seen too little',
    ask: { reason: 'freeze' },
    facts: {
      worker: workerOf({ heartbeatAtMs: NOW - MINUTE, standstill: { cause: 'blind', until: NOW - 16_999, lasts: false } }),
    },
    reason: 'not_breaching',
    sentence:
      'shop/0: heapwarden asked for a restart (freeze): refused, ' +
      'its event loop does not turn, but heapwarden itself stood still, or the clock jumped, until 17 s ago',
  },
  {
    name: 'a stop that has little to do with it',
    ask: { reason: 'freeze' },
    facts: {
      worker: workerOf({ heartbeatAtMs: NOW - 14_999, standstill: { cause: 'stopped', until: NOW, lasts: true } }),
    },
    reason: 'not_breaching',
    sentence:
      'shop/0: heapwarden asked for a restart (freeze): refused, ' +
      'measured again, its time without an event-loop turn is 0.0 s, below the limit of 15 s',
  },
  {
    name: 'a resource without a restart limit',
    facts: { app: appOf() },
    reason: 'not_breaching',
    sentence: 'shop/0: heapwarden asked for a restart (rss): refused, the app has no restart limit for rss',
  },
  {
    name: 'a process that is not there',
    facts: { worker: workerOf({ pid: null }) },
    reason: 'not_breaching',
    sentence: 'shop/0: heapwarden asked for a restart (rss): refused, its memory cannot be measured now',
  },
  {
    name: 'a heap without an agent',
    ask: { reason: 'heap' },
    facts: { worker: workerOf({ stats: null }) },
    reason: 'not_breaching',
    sentence: 'shop/0: heapwarden asked for a restart (heap): refused, its heap cannot be measured now',
  },
  {
    name: 'a heap whose limit is told as zero',
    ask: { reason: 'heap' },
    facts: { worker: workerOf({ stats: { heap_limit: 0 } }) },
    reason: 'not_breaching',
    sentence: 'shop/0: heapwarden asked for a restart (heap): refused, its heap cannot be measured now',
  },
  {
    name: 'a process that has only just started',
    facts: { worker: workerOf({ rssBytes: 500 * MB, startedAtMs: NOW - 30 * SECOND + 1 }) },
    reason: 'startup_grace',
    sentence:
      'shop/0: heapwarden asked for a restart (rss): refused, ' +
      'the process is 30 s old, less than its startup_grace of 30s',
  },
  {
    name: 'a process that starts in the future, since clocks differ',
    ask: manual,
    facts: { worker: workerOf({ startedAtMs: NOW + 20 }) },
    reason: 'startup_grace',
    sentence:
      'shop/0: a request asked for a restart (manual): refused, ' +
      'the process is 0.0 s old, less than its startup_grace of 30s',
  },
  {
    name: 'a restart a short while ago',
    facts: { sinceLastRestartMs: 2 * MINUTE },
    reason: 'cooldown',
    sentence:
      'shop/0: heapwarden asked for a restart (rss): refused, ' +
      'its last restart, or try at one, was a short while ago; its cooldown of 5m ends in 3m',
  },
  {
    name: 'the last millisecond of the cooldown',
    facts: { sinceLastRestartMs: 5 * MINUTE - 1 },
    reason: 'cooldown',
    sentence:
      'shop/0: heapwarden asked for a restart (rss): refused, ' +
      'its last restart, or try at one, was a short while ago; its cooldown of 5m ends in 0.0 s',
  },
  {
    name: 'no restart so far',
    facts: { sinceLastRestartMs: null },
    reason: 'rss',
    sentence: 'shop/0: heapwarden asked for a restart (rss): its memory is 500 MB, the limit 500 MB',
  },
  {
    name: 'a spent budget',
    facts: { restartsInWindow: 5 },
    reason: 'budget',
    sentence:
      'shop/0: heapwarden asked for a restart (rss): refused, the app has used up its budget of 5 restarts in 1h',
  },
  {
    name: 'a pause for some time',
    facts: { pause: { untilMs: NOW + 2 * HOUR } },
    reason: 'paused',
    sentence: 'shop/0: heapwarden asked for a restart (rss): refused, the app is paused for another 2h',
  },
  {
    name: 'a pause without an end, and a person who forgot it',
    ask: manual,
    facts: { pause: { untilMs: null } },
    reason: 'paused',
    sentence: 'shop/0: a request asked for a restart (manual): refused, the app is paused until somebody resumes it',
  },
  {
    name: 'a pause that is over',
    facts: { pause: { untilMs: NOW } },
    reason: 'rss',
    sentence: 'shop/0: heapwarden asked for a restart (rss): its memory is 500 MB, the limit 500 MB',
  },
  {
    name: 'a time outside the windows', // NOW is 22:13:20 UTC
    facts: { app: windowed('"0 2 * * *"') },
    reason: 'outside_window',
    sentence:
      'shop/0: heapwarden asked for a restart (rss): refused, ' +
      'this is outside its maintenance windows, and the next one opens in 3h46m40s',
  },
  {
    name: 'a time in a window that opened an hour ago',
    facts: { app: windowed('"0 21 * * *"') },
    reason: 'rss',
    sentence: 'shop/0: heapwarden asked for a restart (rss): its memory is 500 MB, the limit 500 MB',
  },
  {
    name: 'a freeze outside the windows',
    ask: { reason: 'freeze' },
    facts: { app: windowed('"0 2 * * *"'), worker: workerOf({ heartbeatAtMs: NOW - 20 * SECOND }) },
    reason: 'freeze',
    sentence:
      'shop/0: heapwarden asked for a restart (freeze): its time without an event-loop turn is 20 s, the limit 15 s',
  },
  {
    name: 'a freeze outside the windows of an app that nothing may touch then',
    ask: { reason: 'freeze' },
    facts: {
      app: windowed('"0 2 * * *"', 'outside_windows: nothing'),
      worker: workerOf({ heartbeatAtMs: NOW - 20 * SECOND }),
    },
    reason: 'outside_window',
    sentence:
      'shop/0: heapwarden asked for a restart (freeze): refused, ' +
      'this is outside its maintenance windows, and the next one opens in 3h46m40s',
  },
  {
    name: 'three restarts that did not help',
    facts: { fruitless: 3 },
    reason: 'ineffective',
    sentence:
      'shop/0: heapwarden asked for a restart (rss): refused, its last 3 restarts did not help, so one more would ' +
      'not either; a person\'s restart or "resume", or a new release, lets it be tried again',
  },
  {
    name: "a person's word after these",
    ask: manual,
    facts: { fruitless: 3 },
    reason: 'manual',
    sentence: 'shop/0: a request asked for a restart (manual): it will be restarted',
  },
  {
    name: 'a program that names a limit is no person',
    ask: { origin: 'api', reason: 'rss' },
    facts: { fruitless: 3 },
    reason: 'ineffective',
    sentence: /^shop\/0: a request asked for a restart \(rss\): refused, its last 3 restarts did not help/,
  },
  {
    name: 'a schedule that was late, for a process that is younger than its time',
    ask: { origin: 'schedule', reason: 'schedule', dueAtMs: NOW - 40 * SECOND },
    reason: 'already_restarted',
    sentence:
      'shop/0: the schedule asked for a restart (schedule): refused, the process started 10 s after its time',
  },
  {
    name: 'no other worker up',
    facts: { others: { count: 3, up: 0 } },
    reason: 'min_available',
    sentence:
      'shop/0: heapwarden asked for a restart (rss): refused, ' +
      'none of its other workers would be up, and min_available is 1',
  },
  {
    name: 'no other worker up, and this one frozen',
    ask: { reason: 'freeze' },
    facts: { others: { count: 1, up: 0 }, worker: workerOf({ heartbeatAtMs: NOW - 20 * SECOND }) },
    reason: 'freeze',
    sentence:
      'shop/0: heapwarden asked for a restart (freeze): its time without an event-loop turn is 20 s, the limit 15 s',
  },
  {
    name: 'an app of one worker has no others to wait for',
    facts: { others: { count: 0, up: 0 } },
    reason: 'rss',
    sentence: 'shop/0: heapwarden asked for a restart (rss): its memory is 500 MB, the limit 500 MB',
  },
  {
    name: 'an app that may not be touched',
    facts: { app: appOf(`${LIMITS}, ${RESTART}, dry_run: true`) },
    reason: 'dry_run',
    sentence:
      'shop/0: heapwarden asked for a restart (rss): refused, ' +
      'it would be restarted, but dry_run is set for this app',
  },
  {
    name: 'a rehearsal',
    ask: { ...manual, dryRun: true },
    reason: 'dry_run',
    sentence:
      'shop/0: a request asked for a restart (manual): refused, it would be restarted, but this was a dry run',
  },
];

for (const { name, ask = {}, facts = {}, reason, sentence } of cases) {
  t.test(name, async (t) => {
    const judgement = decide(askOf(ask), { ...OPEN, ...facts }, NOW);
    const action = ['rss', 'heap', 'freeze', 'uptime', 'schedule', 'manual'].includes(reason) ? 'restart' : 'refuse';
    t.match(judgement, { action, reason, sentence });
    if (typeof sentence === 'string') t.equal(judgement.sentence, sentence);
  });
}

t.test('with everything against it, the gates speak in this order', async (t) => {
  const young = NOW - 10 * SECOND;
  const everything: Facts = {
    app: appOf(`${LIMITS}, ${RESTART}, dry_run: true, time_zone: UTC, windows: [{ cron: "0 2 * * *", duration: 3h }]`),
    worker: workerOf({ rssBytes: MB, startedAtMs: young }),
    inProgress: true,
    alertAnswered: true,
    sinceLastRestartMs: SECOND,
    fruitless: 3,
    pause: { untilMs: null },
    restartsInWindow: 9,
    others: { count: 3, up: 0 },
  };
  let ask = askOf({ origin: 'alertmanager', alert: { ...ALERT, endsAtMs: NOW - 1 } });
  let facts: Facts = { ...everything, app: null, worker: null };
  const next = (change: { ask?: Partial<Ask>; facts?: Partial<Facts> }) => {
    ask = { ...ask, ...change.ask };
    facts = { ...facts, ...change.facts };
  };
  const steps: [Reason, Parameters<typeof next>[0]][] = [
    ['unknown_app', { facts: { worker: workerOf({ supervisor: 'none' }) } }],
    ['unmanaged', { facts: everything }],
    ['in_progress', { facts: { inProgress: false } }],
    ['duplicate', { facts: { alertAnswered: false } }],
    ['stale', { ask: { alert: ALERT } }],
    ['already_restarted', { ask: { alert: { ...ALERT, startsAtMs: young } } }],
    ['paused', { facts: { pause: null } }],
    ['not_breaching', { facts: { worker: workerOf({ rssBytes: 600 * MB, startedAtMs: young }) } }],
    ['outside_window', { facts: { app: appOf(`${LIMITS}, ${RESTART}, dry_run: true`) } }],
    ['startup_grace', { facts: { worker: workerOf({ rssBytes: 600 * MB }) } }],
    ['ineffective', { facts: { fruitless: 2 } }],
    ['cooldown', { facts: { sinceLastRestartMs: null } }],
    ['budget', { facts: { restartsInWindow: 0 } }],
    ['min_available', { facts: { others: { count: 3, up: 3 } } }],
    ['dry_run', { facts: { app: OPEN.app } }],
    ['rss', {}],
  ];
  for (const [reason, change] of steps) {
    t.equal(decide(ask, facts, NOW).reason, reason);
    next(change);
  }
});

t.test('force passes over what only protects, never over what would do harm', async (t) => {
  const forced = askOf({ ...manual, reason: 'rss', force: true });
  const shut: Facts = {
    ...OPEN,
    worker: workerOf({ rssBytes: MB, startedAtMs: NOW - SECOND }),
    sinceLastRestartMs: 0,
    fruitless: 3,
    pause: { untilMs: null },
    restartsInWindow: 9,
    others: { count: 3, up: 0 },
  };
  t.strictSame(decide(forced, shut, NOW), {
    action: 'restart',
    reason: 'rss',
    sentence: 'shop/0: a request asked for a forced restart (rss): its memory is 1 MB, the limit 500 MB',
  });
  t.equal(decide(forced, { ...shut, app: null, worker: null }, NOW).reason, 'unknown_app');
  t.equal(decide(forced, { ...shut, app: null }, NOW).reason, 'unmanaged');
  t.equal(decide(forced, { ...shut, worker: null }, NOW).reason, 'unknown_app');
  t.equal(decide(forced, { ...shut, inProgress: true }, NOW).reason, 'in_progress');
  t.equal(decide(forced, { ...shut, app: appOf('dry_run: true') }, NOW).reason, 'dry_run');
  t.equal(decide({ ...forced, dryRun: true }, shut, NOW).reason, 'dry_run');
});

t.test('min_available', async (t) => {
  const worker = workerOf();
  const least = (count: number) => appOf(`restart: { min_available: ${count} }`);
  t.equal(tooFewOthers('rss', least(0), worker, { count: 3, up: 0 }), null);
  t.equal(tooFewOthers('rss', least(2), worker, { count: 3, up: 2 }), null);
  t.equal(
    tooFewOthers('rss', least(2), worker, { count: 3, up: 1 }),
    'only 1 of its other workers would be up, and min_available is 2',
  );
  t.equal(tooFewOthers('rss', least(9), worker, { count: 2, up: 2 }), null, 'more than there are cannot be asked for');
  t.ok(tooFewOthers('rss', least(9), worker, { count: 2, up: 1 }), 'but all the others there are');
  const down = workerOf({ pid: null });
  t.equal(tooFewOthers('rss', least(2), down, { count: 3, up: 0 }), null, 'to start what is down takes nothing away');
  t.equal(tooFewOthers('freeze', least(2), worker, { count: 3, up: 0 }), null, 'nor to restart what is frozen');
});

t.test('an app in a crash loop can be started again by a person, though all its workers are down', async (t) => {
  const facts: Facts = { ...OPEN, worker: workerOf({ pid: null, state: 'crash_loop' }), others: { count: 1, up: 0 } };
  t.equal(decide(askOf(manual), facts, NOW).action, 'restart');
});

t.test('uptime is measured at the moment of observation', async (t) => {
  const old = (startedAtMs: number): Facts => ({ ...OPEN, worker: workerOf({ startedAtMs }) });
  t.equal(decide(askOf({ reason: 'uptime' }), old(NOW - 6 * HOUR), NOW).action, 'restart');
  t.equal(decide(askOf({ reason: 'uptime' }), old(NOW - 6 * HOUR + 1), NOW).reason, 'not_breaching');
});
