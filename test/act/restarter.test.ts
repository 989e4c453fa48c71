import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Incident } from '../../src/act/incident.js';
import { Journal } from '../../src/act/journal.js';
import { parseJournal } from '../../src/act/journal-lines.js';
import { HeapwardenError } from '../../src/errors.js';
import { HOUR, MB, MINUTE, NOW, SECOND, appOf, askOf, configOf } from '../decide/support.js';
import { World, incidentOf, replace } from './support.js';
import { stopFirst } from '../supervisors/options.js';

const LIMITS = 'limits: { rss: { critical: 400MB, restart: 500MB }, heap: { restart: 90% } }';
const FREE = 'restart: { startup_grace: 0s, cooldown: 0s, budget: 100/1h, min_available: 1 }';
const LEAKING = { rssBytes: 600 * MB };

const NEVER = stopFirst({ stopTimeoutMs: 0, signal: new AbortController().signal });

const incidentsIn = (dir: string) => parseJournal(readFileSync(join(dir, 'journal.jsonl'), 'utf8')).incidents;

/** `shop/0` above its limit, under an open restarter. */
async function leaking(t: Test, keys = `${LIMITS}, ${FREE}`) {
  const dir = t.testdir();
  const world = new World(appOf(keys));
  world.put(LEAKING);
  const { restarter, journal } = await world.open(dir);
  t.teardown(async () => {
    await restarter.close();
    await journal.close();
  });
  return { dir, world, restarter, journal };
}

t.test('ask, intent, restart, ready, outcome', async (t) => {
  const { dir, world, restarter } = await leaking(t);
  world.onRestart = async (...args) => {
    const [intent] = incidentsIn(dir);
    t.match(intent, { action: 'restart', reason: 'rss', app: 'shop', worker: '0', outcome: null }, 'it is on disk');
    t.match(args[2], { stopTimeoutMs: 10_000, signal: { aborted: false } });
    t.ok(restarter.isBusy('shop', '0'));
    world.clock.nowMs += 2 * SECOND;
    return replace(...args);
  };
  const answer = await restarter.ask(askOf());
  t.match(answer, {
    action: 'restart',
    reason: 'rss',
    app: 'shop',
    worker: '0',
    sentence: 'shop/0: heapwarden asked for a restart (rss): its memory is 600 MB, the limit 500 MB',
  });
  const outcome = await world.outcomeOf(answer);
  t.match(outcome, {
    atMs: NOW + 3 * SECOND, // 2 s for the restart, 1 s that the new process has to live
    result: 'recovered',
    sentence: 'shop/0: restarted in 3.0 s; memory 600 MB before, 50 MB after',
    stop: 'exited',
    after: { pid: 200, rssBytes: 50 * MB, heapUsedBytes: 30 * MB, heapLimitBytes: 100 * MB },
    interrupted: false,
  });
  t.match(answer.incident, /^20231114T221320000Z-[0-9a-f]{6}$/);
  await restarter.close();
  t.strictSame(incidentsIn(dir), [world.history.find(answer.incident!)], 'the record is complete');
  t.match(incidentsIn(dir)[0], { id: answer.incident, asked: 'rss', before: { pid: 100, rssBytes: 600 * MB } });
  t.strictSame(world.told.map((incident) => incident.outcome?.result ?? null), [null, 'recovered']);
  t.strictSame(world.log.entries.map(({ level, message }) => [level, message]), [
    ['warn', answer.sentence],
    ['info', outcome.sentence],
  ]);
  t.notOk(restarter.isBusy('shop', '0'));
});

t.test('two asks for one worker at the same time: one passes', async (t) => {
  const { world, restarter } = await leaking(t);
  const answers = await Promise.all([restarter.ask(askOf()), restarter.ask(askOf({ origin: 'api' }))]);
  t.strictSame(answers.map(({ reason }) => reason).toSorted(), ['in_progress', 'rss']);
  await world.outcomeOf(answers.find(({ action }) => action === 'restart')!);
  t.strictSame(world.restarts, ['shop/0']);
});

t.test('workers of one app one after the other, apps side by side', async (t) => {
  const dir = t.testdir();
  const world = new World(...configOf(`
defaults: { ${LIMITS}, ${FREE} }
apps:
  - { name: shop, supervisor: { pm2: shop } }
  - { name: api, supervisor: { pm2: api } }
`).apps);
  for (const worker of ['0', '1', '2']) world.put({ ...LEAKING, worker });
  world.put({ ...LEAKING, app: 'api' });
  const { restarter, journal } = await world.open(dir);
  t.teardown(() => journal.close());
  let apiBegins = () => {};
  const apiHasBegun = new Promise<void>((resolve) => (apiBegins = resolve));
  const running = new Set<string>();
  let most = 0;
  world.supervisors.get('shop')!.restart = async (worker) => {
    running.add(worker);
    most = Math.max(most, running.size);
    if (worker === '0') await apiHasBegun; // this ends only where api does not wait for shop
    await world.clock.sleep(SECOND);
    running.delete(worker);
    return replace(world, worker, NEVER);
  };
  world.supervisors.get('api')!.restart = async (worker) => {
    apiBegins();
    world.put({ app: 'api', worker, pid: world.nextPid++, startedAtMs: world.clock.nowMs });
    return { stop: 'exited', pid: null, goneAt: null, ready: null };
  };
  const asks = [askOf(), askOf({ worker: '1' }), askOf({ worker: '2' }), askOf({ app: 'api' })];
  const answers = await Promise.all(asks.map((ask) => restarter.ask(ask)));
  t.strictSame(answers.map(({ action }) => action), ['restart', 'restart', 'restart', 'restart']);
  for (const answer of answers) t.equal((await world.outcomeOf(answer)).result, 'recovered');
  t.equal(most, 1, 'of shop one at a time');
  await restarter.close();
});

t.test('one that waited is looked at again when its turn comes', async (t) => {
  const world = new World(...configOf(`
defaults: { ${LIMITS}, ${FREE} }
apps: [{ name: shop, supervisor: { pm2: shop } }]
`).apps);
  for (const worker of ['0', '1', '2', '3']) world.put({ ...LEAKING, worker });
  const { restarter, journal } = await world.open(t.testdir());
  t.teardown(() => journal.close());
  world.onRestart = async (_world, worker, options) => {
    if (worker === '0') {
      world.put({ worker: '1', pid: world.nextPid++, startedAtMs: world.clock.nowMs, rssBytes: 900 * MB });
      world.put({ ...LEAKING, worker: '2', rssBytes: 50 * MB });
    }
    return replace(world, worker, options);
  };
  const answers = await Promise.all(['0', '1', '2', '3'].map((worker) => restarter.ask(askOf({ worker }))));
  const outcomes = [];
  for (const answer of answers) outcomes.push(await world.outcomeOf(answer));
  t.strictSame(world.restarts, ['shop/0', 'shop/3'], 'neither the process that came by itself nor the one that got better');
  t.match(outcomes[1], { result: 'cancelled', stop: null, sentence: 'shop/1: nothing was done, for another process has taken its place already' });
  t.match(outcomes[2], { result: 'cancelled', stop: null, sentence: /^shop\/2: nothing was done, measured again, its memory is 50 MB, below the limit of/ });
});

t.test('what was stopped while it waited stays stopped, unless a person asks for it', async (t) => {
  const { world, restarter } = await leaking(t, `${LIMITS}, ${FREE}`);
  for (const worker of ['1', '2']) world.put({ ...LEAKING, worker });
  world.onRestart = async (_world, worker, options) => {
    if (worker === '0') for (const other of ['1', '2']) world.put({ worker: other, pid: null, state: 'stopped' });
    return replace(world, worker, options);
  };
  const byPerson = askOf({ worker: '2', origin: 'api', reason: 'manual' });
  const answers = await Promise.all([askOf(), askOf({ worker: '1' }), byPerson].map((ask) => restarter.ask(ask)));
  t.match(await world.outcomeOf(answers[1]!), { result: 'cancelled', sentence: 'shop/1: nothing was done, for its process has ended' });
  t.match(await world.outcomeOf(answers[2]!), { result: 'recovered' });
  t.strictSame(world.restarts, ['shop/0', 'shop/2']);
});

t.test('a worker that the app has no more is not restarted, forced or not', async (t) => {
  const { world, restarter } = await leaking(t);
  for (const worker of ['1', '2']) world.put({ ...LEAKING, worker });
  world.onRestart = async (_world, worker, options) => {
    world.workers = new Map([...world.workers].filter(([, state]) => state.worker === '0')); // as after pm2 scale shop 1
    return replace(world, worker, options);
  };
  const forced = askOf({ worker: '2', origin: 'api', reason: 'manual', force: true });
  const answers = await Promise.all([askOf(), askOf({ worker: '1' }), forced].map((ask) => restarter.ask(ask)));
  for (const answer of answers.slice(1)) {
    t.match(await world.outcomeOf(answer), {
      result: 'cancelled',
      sentence: `shop/${answer.worker}: nothing was done, for the app has no such worker any more`,
    });
  }
  t.strictSame(world.restarts, ['shop/0']);
  t.equal(world.history.restartsWithin('shop', HOUR), 1, 'it costs no budget');

  world.put({ pid: 300, ...LEAKING });
  world.onRestart = async () => {
    throw new HeapwardenError('UNKNOWN_WORKER', '"shop" has no worker "0" in PM2');
  };
  const evidence = (world.evidence = { folder: '/e', files: [], finding: null, notes: [] });
  const gone = await world.outcomeOf(await restarter.ask(askOf()));
  const sentence = 'shop/0: nothing was done, for the app has no such worker any more';
  t.match(gone, { result: 'cancelled', sentence, evidence }, 'nor one that goes at the last moment');
  t.strictSame(world.log.at('error'), []);
});

t.test('a look that fails says nothing of its process', async (t) => {
  const { world, restarter } = await leaking(t, LIMITS);
  const look = world.remeasure.bind(world);
  let looks = 0;
  world.remeasure = async (...slot) => {
    const worker = await look(...slot);
    return worker && ++looks === 2 ? { ...worker, reading: null } : worker; // the first is the decision's
  };
  t.match(await world.outcomeOf(await restarter.ask(askOf())), { result: 'recovered' });
  t.strictSame(world.restarts, ['shop/0']);
});

t.test('one that dies while its evidence is collected is not restarted once more', async (t) => {
  const { world, restarter } = await leaking(t, LIMITS);
  world.evidence = { folder: '/e', files: [], finding: null, notes: [] };
  world.onEvidence = () => world.put({ pid: world.nextPid++, startedAtMs: world.clock.nowMs, rssBytes: 50 * MB });
  const outcome = await world.outcomeOf(await restarter.ask(askOf()));
  t.match(outcome, { result: 'cancelled', sentence: 'shop/0: nothing was done, for another process has taken its place already' });
  t.match(outcome.evidence, { folder: '/e' }, 'what was collected is on record');
  t.strictSame(world.restarts, []);
});

t.test('a round through an app ends where a restart leaves too few up', async (t) => {
  const { world, restarter } = await leaking(t);
  world.put({ ...LEAKING, worker: '1' });
  world.onRestart = async (_world, worker) => {
    world.put({ worker, pid: null, state: 'stopped' });
    return { stop: 'exited', pid: null, goneAt: null, ready: null };
  };
  const first = await restarter.ask(askOf());
  const second = await restarter.ask(askOf({ worker: '1' }));
  t.equal(second.action, 'restart', 'the first one is expected to come back');
  t.match(await world.outcomeOf(first), { result: 'not_ready' });
  t.match(await world.outcomeOf(second), {
    result: 'cancelled',
    sentence: 'shop/1: nothing was done, for none of its other workers would be up, and min_available is 1',
  });
  t.strictSame(world.restarts, ['shop/0'], 'the last worker that serves was not touched');

  await restarter.close();
});

t.test('or unready; unless a person forces it', async (t) => {
  const app = `${LIMITS}, restart: { startup_grace: 0s, cooldown: 0s, ready: { tcp: "127.0.0.1:1", timeout: 1s } }`;
  const { world, restarter } = await leaking(t, app);
  world.put({ ...LEAKING, worker: '1' });
  const ask = { origin: 'api', reason: 'manual' } as const;
  const first = await restarter.ask(askOf(ask));
  const second = await restarter.ask(askOf({ ...ask, worker: '1' }));
  t.match(await world.outcomeOf(first), { result: 'not_ready' });
  t.match(await world.outcomeOf(second), { result: 'cancelled' });
  t.strictSame(world.restarts, ['shop/0']);

  world.clock.nowMs += 1;
  const later = await restarter.ask(askOf({ ...ask, worker: '1' }));
  t.match(await world.outcomeOf(later), { result: 'not_ready' }, 'what was unready then is not held against it');
  t.strictSame(world.restarts, ['shop/0', 'shop/1']);
  const forced = [
    await restarter.ask(askOf({ ...ask, force: true })),
    await restarter.ask(askOf({ ...ask, worker: '1', force: true })),
  ];
  for (const answer of forced) await world.outcomeOf(answer);
  t.strictSame(world.restarts, ['shop/0', 'shop/1', 'shop/0', 'shop/1']);
});

t.test('what was unready before the time of day was put back is not held against what is decided after', async (t) => {
  const app = `${LIMITS}, restart: { startup_grace: 0s, cooldown: 0s, ready: { tcp: "127.0.0.1:1", timeout: 1s } }`;
  const { world, restarter } = await leaking(t, app);
  world.put({ ...LEAKING, worker: '1' });
  t.match(await world.outcomeOf(await restarter.ask(askOf())), { result: 'not_ready' });
  world.clock.putBack(6 * HOUR);
  world.clock.nowMs += MINUTE;
  world.put({ ...LEAKING, worker: '1' });
  t.match(await world.outcomeOf(await restarter.ask(askOf({ worker: '1' }))), { result: 'not_ready' });
  t.strictSame(world.restarts, ['shop/0', 'shop/1'], 'it was not cancelled');
});

t.test('what waits is given up where there is no reason for it any more', async (t) => {
  const alert = { fingerprint: 'f1', startsAtMs: NOW - MINUTE, endsAtMs: null };
  const byAlert = { origin: 'alertmanager', alert } as const;

  t.test('its alert is resolved, in the queue or in its jitter', async (t) => {
    const { world, restarter } = await leaking(t);
    world.put({ ...LEAKING, worker: '1' });
    let cancelled: string[] = [];
    let bothAsked = () => {};
    const whenBothAsked = new Promise<void>((resolve) => (bothAsked = resolve));
    world.onRestart = async (...args) => {
      await whenBothAsked;
      t.strictSame(restarter.cancel({ ...alert, fingerprint: 'f2' }), [], 'another one');
      t.strictSame(restarter.cancel({ ...alert, startsAtMs: NOW - HOUR, endsAtMs: NOW - 2 * MINUTE }), [], 'an earlier time');
      cancelled = restarter.cancel({ ...alert, endsAtMs: NOW });
      return replace(...args);
    };
    const first = await restarter.ask(askOf({ ...byAlert, alert: { ...alert, fingerprint: 'f0' } }));
    const second = await restarter.ask(askOf({ ...byAlert, worker: '1' }));
    bothAsked();
    t.match(await world.outcomeOf(first), { result: 'recovered' });
    t.match(await world.outcomeOf(second), {
      result: 'cancelled',
      sentence: 'shop/1: nothing was done, for its alert was resolved while it waited',
    });
    t.strictSame(cancelled, [second.incident]);
    t.strictSame(world.restarts, ['shop/0']);
    t.equal(world.history.sinceLastRestart('shop', '1'), null, 'it costs neither cooldown nor budget');
    t.equal(world.history.restartsWithin('shop', HOUR), 1);
    world.onRestart = replace;
    const again = await restarter.ask(askOf({ ...byAlert, worker: '1' }));
    t.match(await world.outcomeOf(again), { result: 'recovered' }, 'and is no answer to its alert');
  });

  t.test('what has begun is not', async (t) => {
    const { world, restarter } = await leaking(t);
    world.onRestart = async (...args) => {
      t.strictSame(restarter.cancel(alert), []);
      return replace(...args);
    };
    t.match(await world.outcomeOf(await restarter.ask(askOf(byAlert))), { result: 'recovered' });
  });

  t.test('the app is paused', async (t) => {
    const { world, restarter } = await leaking(t);
    world.put({ ...LEAKING, worker: '1' });
    world.onRestart = async (...args) => {
      world.history.setState('shop', { ...world.history.stateOf('shop'), pause: { atMs: NOW, untilMs: null } });
      return replace(...args);
    };
    await restarter.ask(askOf());
    t.match(await world.outcomeOf(await restarter.ask(askOf({ worker: '1' }))), {
      result: 'cancelled',
      sentence: 'shop/1: nothing was done, for the app was paused meanwhile',
    });
  });

  t.test('the config forbids it by now', async (t) => {
    const forbidden: [keys: string, ask: Parameters<typeof askOf>[0], why: string][] = [
      ['dry_run: true', { force: true, origin: 'api', reason: 'manual' }, 'dry_run was set meanwhile'],
      ['windows: [{ cron: "0 0 1 1 *", duration: 1m }]', {}, 'its maintenance window has closed'],
    ];
    for (const [keys, ask, why] of forbidden) {
      const { world, restarter } = await leaking(t);
      world.put({ ...LEAKING, worker: '1' });
      world.onRestart = async (...args) => {
        world.apps = [appOf(`${LIMITS}, ${FREE}, ${keys}`)];
        return replace(...args);
      };
      await restarter.ask(askOf());
      t.match(await world.outcomeOf(await restarter.ask(askOf({ ...ask, worker: '1' }))), {
        result: 'cancelled',
        sentence: `shop/1: nothing was done, for ${why}`,
      });
    }
  });
});

t.test('jitter: automatic restarts wait, each for a time of its own, a person does not', async (t) => {
  const { world, restarter } = await leaking(t, `${LIMITS}, restart: { startup_grace: 0s, cooldown: 0s, jitter: 10m }`);
  const waitOf = async (ask: Parameters<typeof askOf>[0], randomness: number): Promise<number> => {
    world.put({ pid: world.nextPid++, ...LEAKING });
    world.randomness = randomness;
    const answer = await restarter.ask(askOf(ask));
    const { atMs } = await world.outcomeOf(answer);
    return Math.floor((atMs - world.history.find(answer.incident!)!.atMs) / MINUTE);
  };
  t.equal(await waitOf({}, 0.25), 2);
  t.equal(await waitOf({ origin: 'schedule', reason: 'schedule' }, 0.5), 5);
  t.equal(await waitOf({ origin: 'api', reason: 'manual' }, 0.5), 0);
});

t.test('in its jitter', async (t) => {
  /** The jitter is of ten minutes that do not pass. */
  const stalled = async (t: Test, keys = LIMITS) => {
    const { world, restarter } = await leaking(t, `${keys}, restart: { startup_grace: 0s, cooldown: 0s, jitter: 10m }`);
    world.randomness = 1;
    const sleep = world.clock.sleep.bind(world.clock);
    world.clock.sleep = async (ms, signal) => {
      if (ms !== 10 * MINUTE) return sleep(ms, signal);
      if (!signal?.aborted) await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
    };
    return { world, restarter };
  };
  /** `shop/0` waits for them. */
  const jittering = async (t: Test) => {
    const { world, restarter } = await stalled(t);
    world.put({ ...LEAKING, worker: '1' });
    return { world, restarter, first: await restarter.ask(askOf()) };
  };
  /** `shop/0` is being restarted until `hold` aborts. */
  const queued = async (t: Test) => {
    const { world, restarter } = await leaking(t);
    world.put({ ...LEAKING, worker: '1' });
    const hold = new AbortController();
    world.onRestart = async (...args) => {
      if (!hold.signal.aborted) await new Promise<void>((resolve) => hold.signal.addEventListener('abort', () => resolve()));
      return replace(...args);
    };
    await restarter.ask(askOf());
    return { world, restarter, hold };
  };
  const byPerson = { origin: 'api', reason: 'manual' } as const;

  t.test('it holds up no other worker, until a person asks for it', async (t) => {
    const { world, restarter, first } = await jittering(t);
    t.match(await world.outcomeOf(await restarter.ask(askOf({ ...byPerson, worker: '1' }))), { result: 'recovered' });
    t.strictSame(world.restarts, ['shop/1']);
    t.match(await restarter.ask(askOf({ ...byPerson, dryRun: true })), { reason: 'in_progress' });
    t.ok(restarter.isBusy('shop', '0'));
    t.match(await restarter.ask(askOf(byPerson)), { reason: 'in_progress' });
    t.match(await world.outcomeOf(first), { result: 'recovered' });
    t.strictSame(world.restarts, ['shop/1', 'shop/0']);
  });

  t.test('what a person asks for needs no limit crossed any more, and no alert', async (t) => {
    const { world, restarter, first } = await jittering(t);
    world.put({});
    t.match(await restarter.ask(askOf(byPerson)), { reason: 'in_progress' });
    t.match(await world.outcomeOf(first), { result: 'recovered' }, 'its memory has fallen since');

    const alert = { fingerprint: 'f1', startsAtMs: NOW - MINUTE, endsAtMs: null };
    for (const order of ['resolved, then asked', 'asked, then resolved']) {
      const { world, restarter, hold } = await queued(t);
      const second = await restarter.ask(askOf({ worker: '1', origin: 'alertmanager', alert }));
      const steps = [() => restarter.cancel({ ...alert, endsAtMs: NOW }), () => restarter.ask(askOf({ ...byPerson, worker: '1' }))];
      for (const step of order.startsWith('asked') ? steps.toReversed() : steps) await step();
      hold.abort();
      t.match(await world.outcomeOf(second), { result: 'recovered' }, order);
    }
  });

  t.test('a person may come at any moment until then', async (t) => {
    const together = await stalled(t);
    const [first, second] = await Promise.all([together.restarter.ask(askOf()), together.restarter.ask(askOf(byPerson))]);
    t.match([first, second], [{ action: 'restart' }, { reason: 'in_progress' }]);
    t.match(await together.world.outcomeOf(first), { result: 'recovered' }, 'right when it is decided');

    const late = await leaking(t);
    const answer = await late.restarter.ask(askOf());
    late.world.beforeLook = () => {
      late.world.beforeLook = () => {};
      late.world.put({});
      void late.restarter.ask(askOf(byPerson));
    };
    t.match(await late.world.outcomeOf(answer), { result: 'recovered' }, 'in the look that is to tell whether it still breaches');
  });

  t.test('what a person could not have asked for by themselves is not done for them', async (t) => {
    const keys = 'limits: { freeze: { restart: 5s } }, windows: [{ cron: "0 0 1 1 *", duration: 1m }], outside_windows: freeze';
    for (const thaws of [false, true]) {
      const { world, restarter } = await stalled(t, keys);
      world.put({ heartbeatAtMs: NOW - MINUTE });
      const first = await restarter.ask(askOf({ reason: 'freeze' }));
      t.match(first, { action: 'restart' });
      if (thaws) world.put({ heartbeatAtMs: NOW + HOUR });
      t.match(await restarter.ask(askOf(byPerson)), { reason: 'in_progress' });
      t.match(await world.outcomeOf(first), { result: thaws ? 'cancelled' : 'recovered' });
    }
  });

  t.test('a person who forces it has their will, whatever has come since', async (t) => {
    for (const force of [false, true]) {
      const { world, restarter, first } = await jittering(t);
      world.history.setState('shop', { ...world.history.stateOf('shop'), pause: { atMs: NOW, untilMs: null } });
      t.match(await restarter.ask(askOf({ ...byPerson, force, dryRun: true })), { reason: 'in_progress' });
      t.match(await restarter.ask(askOf({ ...byPerson, force })), { reason: 'in_progress' });
      t.match(await world.outcomeOf(first), { result: force ? 'recovered' : 'cancelled' });
    }
  });

  t.test('its app is taken out of the config', async (t) => {
    const { world, restarter, first } = await jittering(t);
    world.apps = [];
    await restarter.ask(askOf(byPerson));
    t.match(await world.outcomeOf(first), { result: 'cancelled', sentence: /nothing was done, for its app is no longer configured$/ });
    t.strictSame(world.restarts, []);
  });

  t.test('heapwarden is closed', async (t) => {
    const { world, restarter, first } = await jittering(t);
    await restarter.close();
    t.match(await world.outcomeOf(first), { result: 'cancelled', interrupted: true });
  });
});

t.test('new before old', async (t) => {
  t.test('it takes no downtime; stopped first, it does', async (t) => {
    const { world, restarter } = await leaking(t);
    world.onRestart = async (_world, worker, { mode, isReady }) => {
      t.equal(mode, 'graceful');
      const report = await replace(world, worker, NEVER);
      const ready = await isReady({ process: { pid: report.pid!, start: 1 }, socketPath: null });
      return { ...report, goneAt: null, ready };
    };
    const graceful = await world.outcomeOf(await restarter.ask(askOf()));
    t.match(graceful, { result: 'recovered', downtimeMs: 0, sentence: /^shop\/0: restarted in 1.0 s without downtime; / });
    world.put({ pid: 300, ...LEAKING });
    world.onRestart = async (...args) => {
      const goneAt = world.clock.monotonic();
      world.clock.nowMs += 700;
      return { ...(await replace(...args)), goneAt };
    };
    const stopped = await world.outcomeOf(await restarter.ask(askOf()));
    t.match(stopped, { downtimeMs: 700, sentence: /^shop\/0: restarted in 1.7 s, 0.7 s of it down; / });
  });

  t.test('the new one does not come up: the old one stays, and is tried again after the cooldown', async (t) => {
    const { world, restarter } = await leaking(t, `${LIMITS}, restart: { startup_grace: 0s, cooldown: 5m }`);
    const alert = { fingerprint: 'f1', startsAtMs: NOW - MINUTE, endsAtMs: null };
    world.onRestart = async () => {
      throw new HeapwardenError('NOT_READY', 'the new process was not ready in 30 s; the old one (pid 100) stays');
    };
    const byAlert = askOf({ origin: 'alertmanager', alert });
    const outcome = await world.outcomeOf(await restarter.ask(byAlert));
    t.match(outcome, {
      result: 'not_ready',
      sentence: 'shop/0: the restart was given up: the new process was not ready in 30 s; the old one (pid 100) stays',
      after: { pid: 100 },
    });
    t.match(await restarter.ask(byAlert), { reason: 'cooldown' }, 'the alert has had no answer yet');
    world.clock.nowMs += 5 * MINUTE;
    world.onRestart = replace;
    t.match(await world.outcomeOf(await restarter.ask(byAlert)), { result: 'recovered' });
  });

  t.test("ready with the agent's first report", async (t) => {
    const ready = 'restart: { startup_grace: 0s, cooldown: 0s, ready: { agent: true, timeout: 3s } }';
    const { world, restarter } = await leaking(t, `${LIMITS}, ${ready}`);
    t.match(await world.outcomeOf(await restarter.ask(askOf())), { result: 'recovered' });
    world.put({ pid: 300, ...LEAKING });
    world.agentReports = false;
    t.match(await world.outcomeOf(await restarter.ask(askOf())), { result: 'not_ready' });
  });
});

t.test('three that did not help are enough, until a person has a say', async (t) => {
  const { world, restarter } = await leaking(t);
  world.onRestart = async (_world, worker) => {
    const pid = world.nextPid++;
    world.put({ worker, pid, startedAtMs: world.clock.nowMs, ...LEAKING });
    return { stop: 'exited', pid, goneAt: null, ready: null };
  };
  const twoMore = async () => {
    for (let i = 0; i < 3; i++) t.match(await world.outcomeOf(await restarter.ask(askOf())), { result: 'ineffective' });
    t.match(await restarter.ask(askOf()), { reason: 'ineffective' });
  };
  await twoMore();
  t.match(await restarter.ask(askOf({ origin: 'schedule', reason: 'schedule' })), { reason: 'ineffective' });
  t.match(await world.outcomeOf(await restarter.ask(askOf({ origin: 'api', reason: 'manual' }))), { release: null });
  await twoMore();
});

t.test('what can become of it', async (t) => {
  t.test('the supervisor says no', async (t) => {
    const { world, restarter } = await leaking(t);
    world.onRestart = async () => {
      throw new HeapwardenError('SUPERVISOR_REFUSED', 'PM2 cannot restart "shop": it is stopping it already');
    };
    const outcome = await world.outcomeOf(await restarter.ask(askOf()));
    t.match(outcome, {
      result: 'failed',
      sentence: 'shop/0: the restart failed: PM2 cannot restart "shop": it is stopping it already',
      stop: null,
      after: { pid: 100 },
    });
    t.strictSame(world.log.at('error'), [outcome.sentence]);
  });

  t.test('the supervisor throws before it promises', async (t) => {
    const { world, restarter } = await leaking(t);
    world.onRestart = () => {
      throw new TypeError('a bug');
    };
    t.match(await world.outcomeOf(await restarter.ask(askOf())), { result: 'failed' });
    t.notOk(restarter.isBusy('shop', '0'));
  });

  t.test('the old process is still there', async (t) => {
    const { world, restarter } = await leaking(t);
    world.onRestart = async () => ({ stop: 'exited', pid: null, goneAt: null, ready: null });
    const outcome = await world.outcomeOf(await restarter.ask(askOf()));
    t.match(outcome, {
      result: 'failed',
      sentence: 'shop/0: the restart failed: the old process (pid 100) still runs',
    });
    t.equal(outcome.atMs, NOW + 30 * SECOND);
  });

  t.test('a process with the same pid is a new one where it started at another time', async (t) => {
    const { world, restarter } = await leaking(t);
    world.onRestart = async () => {
      world.put({ pid: 100, start: 77, startedAtMs: world.clock.nowMs });
      return { stop: 'killed', pid: 100, goneAt: null, ready: null };
    };
    t.match(await world.outcomeOf(await restarter.ask(askOf())), {
      result: 'recovered',
      sentence: 'shop/0: restarted in 1.0 s (the old process had to be killed); memory 600 MB before, 100 MB after',
    });
  });

  t.test('no process comes', async (t) => {
    const { world, restarter } = await leaking(t);
    world.onRestart = async () => {
      world.put({ pid: null, state: 'crash_loop' });
      return { stop: 'exited', pid: null, goneAt: null, ready: null };
    };
    t.match(await world.outcomeOf(await restarter.ask(askOf())), {
      result: 'not_ready',
      sentence: 'shop/0: 30 s after the restart no process runs in its place',
      after: null,
    });
  });

  t.test('each new process exits at once', async (t) => {
    const { world, restarter } = await leaking(t);
    world.onRestart = async (...args) => {
      const report = await replace(...args);
      world.beforeLook = () => world.put({ pid: world.nextPid++, startedAtMs: world.clock.nowMs });
      return report;
    };
    t.match(await world.outcomeOf(await restarter.ask(askOf())), {
      result: 'not_ready',
      sentence: /^shop\/0: the new process \(pid \d+\) was not ready 3[01] s after the restart was decided$/,
    });
  });

  t.test('the time of day is put back just as the new process starts', async (t) => {
    const { world, restarter } = await leaking(t);
    world.onRestart = async (...args) => {
      const report = await replace(...args);
      world.clock.putBack(6 * HOUR);
      return report;
    };
    const outcome = await world.outcomeOf(await restarter.ask(askOf()));
    t.match(outcome, { result: 'recovered', tookMs: SECOND }, 'it has to live for a second, and no longer');
  });

  t.test('the new process does not become ready', async (t) => {
    const server = createServer((_request, response) => response.writeHead(503).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    const { port } = server.address() as AddressInfo;
    const ready = `ready: { http: "http://127.0.0.1:${port}/health", timeout: 3s }`;
    const { world, restarter } = await leaking(t, `${LIMITS}, restart: { startup_grace: 0s, ${ready} }`);
    const outcome = await world.outcomeOf(await restarter.ask(askOf()));
    t.match(outcome, {
      result: 'not_ready',
      sentence: 'shop/0: the new process (pid 200) was not ready 3.0 s after the restart was decided',
    });
  });

  t.test('it is over its line again at once', async (t) => {
    const alone = 'limits: { rss: { restart: 500MB } }';
    const cases = [
      { limits: LIMITS, rssBytes: 400 * MB, says: '400 MB again already, at or above its critical limit of 400 MB' },
      { limits: LIMITS, rssBytes: 399 * MB, says: null },
      { limits: alone, rssBytes: 500 * MB, says: '500 MB again already, at or above its restart limit of 500 MB' },
      { limits: alone, rssBytes: 499 * MB, says: null },
    ];
    for (const { limits, rssBytes, says } of cases) {
      const { world, restarter } = await leaking(t, `${limits}, ${FREE}`);
      world.onRestart = async (_world, worker) => {
        world.put({ worker, pid: 300, startedAtMs: world.clock.nowMs, rssBytes });
        return { stop: 'exited', pid: 300, goneAt: null, ready: null };
      };
      const { result, sentence } = await world.outcomeOf(await restarter.ask(askOf()));
      t.equal(result, says === null ? 'recovered' : 'ineffective');
      if (says !== null) t.equal(sentence, `shop/0: restarted, but its memory is ${says}`);
    }
  });

  t.test('so with the heap; but memory says nothing of a restart for another reason', async (t) => {
    const heap = { stats: { heap_used: 95 * MB } };
    const { world, restarter } = await leaking(t);
    world.put(heap);
    world.onRestart = async (_world, worker) => {
      world.put({ worker, pid: world.nextPid++, startedAtMs: world.clock.nowMs, ...LEAKING, ...heap });
      return { stop: 'exited', pid: 300, goneAt: null, ready: null };
    };
    t.match(await world.outcomeOf(await restarter.ask(askOf({ reason: 'heap' }))), {
      result: 'ineffective',
      sentence: 'shop/0: restarted, but its heap is 95% again already, at or above its restart limit of 90%',
    });
    const manual = askOf({ reason: 'manual', origin: 'api' });
    t.match(await world.outcomeOf(await restarter.ask(manual)), { result: 'recovered' });
  });

  t.test('what runs its app is changed in the config, or taken out of it, in the middle', async (t) => {
    const cases = [[true, 'what runs it has changed in the config'], [false, 'its app is no longer configured']] as const;
    for (const [isLeft, why] of cases) {
      const { world, restarter } = await leaking(t);
      world.onRestart = async () => {
        if (!isLeft) world.apps = [];
        throw new HeapwardenError('SUPERVISOR_CLOSED', 'shop/0 is stopped, and not started again');
      };
      const outcome = await world.outcomeOf(await restarter.ask(askOf()));
      t.match(outcome, { result: 'cancelled', sentence: `shop/0: nothing was done, for ${why}` });
    }
  });

  t.test('its app is taken out of the config while it waits', async (t) => {
    const { world, restarter } = await leaking(t);
    world.put({ ...LEAKING, worker: '1' });
    let bothAsked = () => {};
    const whenBothAsked = new Promise<void>((resolve) => (bothAsked = resolve));
    world.onRestart = async (...args) => {
      await whenBothAsked;
      world.apps = [];
      return replace(...args);
    };
    const answers = [await restarter.ask(askOf()), await restarter.ask(askOf({ worker: '1' }))];
    bothAsked();
    t.match(await world.outcomeOf(answers[0]!), { result: 'recovered' }, 'what was begun is ended');
    t.match(await world.outcomeOf(answers[1]!), {
      result: 'cancelled',
      sentence: 'shop/1: nothing was done, for its app is no longer configured',
    });
    t.strictSame(world.restarts, ['shop/0']);
  });
});

t.test('the budget holds for asks at the same time', async (t) => {
  const tight = 'restart: { startup_grace: 0s, budget: 2/1h, min_available: 0 }';
  const { world, restarter } = await leaking(t, `${LIMITS}, ${tight}`);
  for (const worker of ['1', '2', '3']) world.put({ ...LEAKING, worker });
  const answers = await Promise.all(['0', '1', '2', '3'].map((worker) => restarter.ask(askOf({ worker }))));
  t.strictSame(answers.map(({ reason }) => reason).toSorted(), ['budget', 'budget', 'rss', 'rss']);
  for (const answer of answers) if (answer.action === 'restart') await world.outcomeOf(answer);
  t.equal(world.restarts.length, 2);
});

t.test('a refusal that is repeated is counted each time and put on record once', async (t) => {
  const { dir, world, restarter } = await leaking(t, `${LIMITS}, restart: { startup_grace: 0s, cooldown: 5m }`);
  await world.outcomeOf(await restarter.ask(askOf()));
  world.put({ pid: 200, ...LEAKING });
  const refusals = () => incidentsIn(dir).filter(({ action }) => action === 'refuse').map(({ reason }) => reason);
  const first = await restarter.ask(askOf());
  t.match(first, { reason: 'cooldown', incident: /./ });
  t.match(world.history.find(first.incident!), { action: 'refuse', asked: 'rss', outcome: null });
  for (let i = 0; i < 3; i++) t.match(await restarter.ask(askOf()), { reason: 'cooldown', incident: first.incident });
  t.strictSame(refusals(), ['cooldown']);
  t.equal(world.told.filter(({ reason }) => reason === 'cooldown').length, 4);
  t.equal(world.log.at('info').filter((message) => /cooldown/.test(message)).length, 1);

  await restarter.ask(askOf({ reason: 'manual', origin: 'api' }));
  t.strictSame(refusals(), ['cooldown', 'cooldown'], 'another ask');
  world.put({ pid: 200, rssBytes: MB });
  await restarter.ask(askOf());
  t.strictSame(refusals(), ['cooldown', 'cooldown', 'not_breaching'], 'another reason');
  await restarter.ask(askOf());
  world.put({ pid: 201, rssBytes: MB });
  await restarter.ask(askOf());
  t.strictSame(refusals(), ['cooldown', 'cooldown', 'not_breaching', 'not_breaching'], 'another process');
  const alert = { fingerprint: 'f1', startsAtMs: NOW, endsAtMs: null };
  for (const startsAtMs of [NOW, NOW, NOW + SECOND, NOW + HOUR]) {
    if (startsAtMs === NOW + HOUR) world.clock.nowMs += MINUTE;
    await restarter.ask(askOf({ origin: 'alertmanager', alert: { ...alert, startsAtMs } }));
  }
  t.equal(refusals().length, 6, 'another alert, but not one more a minute');
});

t.test('refusals of names without end are not remembered without end', async (t) => {
  const { world, restarter } = await leaking(t);
  const ask = (app: string) => restarter.ask(askOf({ app, origin: 'alertmanager' }));
  const { incident } = await ask('first');
  t.equal((await ask('first')).incident, incident);
  for (let i = 0; i < 100; i++) t.equal((await ask(`app ${i}`)).incident, null);
  t.equal(world.history.list({ limit: Infinity }).length, 1);
  world.clock.nowMs += MINUTE;
  t.match((await ask('second')).incident, /./, 'one a minute is told');
});

t.test('an alert that is repeated', async (t) => {
  const { world, restarter } = await leaking(t);
  const byAlert = askOf({ origin: 'alertmanager', alert: { fingerprint: 'f1', startsAtMs: NOW, endsAtMs: null } });
  world.onRestart = async () => {
    throw new HeapwardenError('SUPERVISOR_UNREACHABLE', 'PM2 does not answer');
  };
  t.match(await world.outcomeOf(await restarter.ask(byAlert)), { result: 'failed' });
  world.onRestart = replace;
  const second = await restarter.ask(byAlert);
  t.equal(second.action, 'restart', 'after a failure it may try again');
  t.equal((await restarter.ask(byAlert)).reason, 'in_progress');
  t.match(await world.outcomeOf(second), { result: 'recovered' });
  world.put({ pid: 200, ...LEAKING });
  t.equal((await restarter.ask(byAlert)).reason, 'duplicate', 'after a success it may not');
});

t.test('without a journal nothing is touched', async (t) => {
  const dir = t.testdir();
  const world = new World(appOf(`${LIMITS}, ${FREE}`));
  world.put(LEAKING);
  const { restarter, journal } = await world.open(dir);
  await journal.close();
  await t.rejects(restarter.ask(askOf()), { code: 'JOURNAL_UNWRITABLE' });
  await restarter.close();
  t.strictSame(world.restarts, []);
  t.strictSame(world.history.list({ limit: 10 }), [], 'it never happened');
  t.notOk(restarter.isBusy('shop', '0'));
  t.equal(world.journalErrors, 1);
  t.match(world.log.at('error'), [/^the journal cannot be written: .*; while it cannot be written, nothing is rest/]);
});

t.test('a refusal is answered without a journal too', async (t) => {
  const world = new World(appOf(LIMITS));
  const { restarter, journal } = await world.open(t.testdir());
  await journal.close();
  t.equal((await restarter.ask(askOf())).reason, 'unknown_app');
  t.equal(world.journalErrors, 1);
});

t.test('an outcome that cannot be written is told, and the worker is free again', async (t) => {
  const { world, restarter, journal } = await leaking(t);
  world.onRestart = async (...args) => {
    await journal.close();
    return replace(...args);
  };
  t.match(await world.outcomeOf(await restarter.ask(askOf())), { result: 'recovered' });
  await restarter.close();
  t.equal(world.journalErrors, 1);
  t.notOk(restarter.isBusy('shop', '0'));
});

t.test('a warden that closes in the middle leaves the record to the next one', async (t) => {
  const dir = t.testdir();
  const world = new World(appOf(`${LIMITS}, restart: { startup_grace: 0s, cooldown: 5m, budget: 3/1h }`));
  world.put(LEAKING);
  world.put({ ...LEAKING, worker: '1' });
  const first = await world.open(dir);
  world.onRestart = (_world, _worker, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('cut off'))));
  await first.restarter.ask(askOf());
  await first.restarter.ask(askOf({ worker: '1' }));
  await first.restarter.close();
  await first.journal.close();
  t.strictSame(world.restarts, ['shop/0'], 'the one that waited was not begun');
  t.strictSame(incidentsIn(dir).map(({ outcome }) => outcome?.result ?? null), [null, 'cancelled']);

  world.clock.nowMs += MINUTE;
  world.put({ pid: 300, startedAtMs: world.clock.nowMs - 100, rssBytes: 60 * MB }); // PM2 has done it meanwhile
  const second = await world.open(dir);
  const finished = second.restarter.finishInterrupted();
  t.equal((await second.restarter.ask(askOf({ origin: 'api', force: true }))).reason, 'in_progress');
  await finished;
  t.strictSame(world.restarts, ['shop/0'], 'nothing is touched by it');
  const [one, two] = incidentsIn(dir);
  t.match(one!.outcome, {
    result: 'recovered',
    sentence:
      'shop/0: a new process (pid 300) runs; memory 600 MB before, 60 MB after ' +
      '(heapwarden itself was stopped in the middle; this is what it found when it came back)',
    stop: null,
    interrupted: true,
  });
  t.match(two!.outcome, { interrupted: true, sentence: 'shop/1: nothing was done, for heapwarden was stopped before its turn came' });
  t.strictSame(world.history.open(), []);
  t.equal(world.told.filter(({ outcome }) => outcome?.interrupted && outcome.result === 'recovered').length, 1);
  t.equal(world.history.budgetLeft('shop', { count: 3, windowMs: HOUR }), 2, 'the one that was begun was counted');
  world.put({ pid: 300, ...LEAKING });
  t.equal((await second.restarter.ask(askOf())).reason, 'cooldown', 'and the cooldown holds');
  await second.restarter.close();
  await second.journal.close();
});

t.test('an interrupted restart is looked at until its supervisor is done with it', async (t) => {
  const dir = t.testdir();
  const world = new World(appOf(`${LIMITS}, restart: { stop_timeout: 10s }`));
  const unknown = { heapUsedBytes: null, heapLimitBytes: null, heartbeatAtMs: null };
  const before = { pid: 100, start: 1, startedAtMs: NOW - HOUR, rssBytes: 600 * MB, ...unknown };
  const { journal } = await Journal.open(dir);
  await journal.record(incidentOf({ id: 'cut', before, outcome: null }));
  await journal.close();
  world.put({ ...LEAKING, state: 'stopped' }); // what PM2 calls stopping
  world.beforeLook = () => {
    if (world.clock.nowMs >= NOW + 8 * SECOND && world.workers.get('shop\u00000')?.reading?.root.pid === 100) {
      world.put({ pid: 300, startedAtMs: world.clock.nowMs });
    }
  };
  const opened = await world.open(dir);
  await opened.restarter.finishInterrupted();
  t.match(incidentsIn(dir)[0]!.outcome, { result: 'recovered', after: { pid: 300 } });
  await opened.journal.close();
});

t.test('an interrupted restart of a frozen process is carried out where it is frozen still', async (t) => {
  const unknown = { heapUsedBytes: null, heapLimitBytes: null, heartbeatAtMs: NOW - MINUTE };
  const before = { pid: 100, start: 1, startedAtMs: NOW - HOUR, rssBytes: 600 * MB, ...unknown };
  const revisited = async (asked: 'freeze' | 'rss', agentReports: boolean, keys = 'limits: { freeze: { restart: 15s } }') => {
    const dir = t.testdir();
    const world = new World(appOf(keys));
    const { journal } = await Journal.open(dir);
    await journal.record(incidentOf({ id: 'cut', reason: asked, asked, before, outcome: null }));
    await journal.close();
    world.put({ stats: null });
    world.agentReports = agentReports;
    const opened = await world.open(dir);
    await opened.restarter.finishInterrupted();
    await opened.journal.close();
    const { result, interrupted } = incidentsIn(dir)[0]!.outcome!;
    return { restarts: world.restarts.length, result, interrupted, waited: world.clock.nowMs - NOW >= 15 * SECOND };
  };
  const done = { interrupted: true, waited: true };
  t.strictSame(await revisited('freeze', false), { restarts: 1, result: 'recovered', ...done }, 'its agent had time to come back');
  t.strictSame(await revisited('freeze', true), { restarts: 0, result: 'failed', ...done }, 'it turns again');
  for (const keys of ['limits: { freeze: { restart: 15s } }, dry_run: true', 'limits: { rss: { restart: 1GB } }']) {
    t.strictSame(await revisited('freeze', false, keys), { restarts: 0, result: 'failed', ...done }, `no more since: ${keys}`);
  }
  const rss = 'limits: { rss: { restart: 1GB } }, restart: { stop_timeout: 2s }';
  t.strictSame(await revisited('rss', false, rss), { restarts: 0, result: 'failed', ...done }, 'memory is measured again by the guard');
});

t.test('so is one of a process that was drained for it, for nothing else takes that back', async (t) => {
  const unknown = { heapUsedBytes: null, heapLimitBytes: null, heartbeatAtMs: null };
  const before = { pid: 100, start: 1, startedAtMs: NOW - HOUR, rssBytes: 600 * MB, ...unknown };
  const revisited = async (keys: string, wasDrained = true, supervisor = appOf().supervisor, pid: number | null = 100) => {
    const dir = t.testdir();
    const world = new World({ ...appOf(`limits: { rss: { restart: 1GB } }${keys && `, ${keys}`}`), supervisor });
    const { journal } = await Journal.open(dir);
    await journal.record(incidentOf({ id: 'cut', before, outcome: null }));
    await journal.note('shop', { pause: { atMs: NOW, untilMs: null }, freshSinceMs: null, schedule: null });
    await journal.close();
    world.put({ stats: null, pid });
    world.wasDrained = wasDrained;
    const opened = await world.open(dir);
    await opened.restarter.finishInterrupted();
    await opened.journal.close();
    return { restarts: world.restarts.length, ...incidentsIn(dir)[0]!.outcome!, waitedMs: world.clock.nowMs - NOW };
  };
  const graceful = await revisited('restart: { mode: graceful, stop_timeout: 2s }');
  t.match(graceful, { restarts: 1, result: 'recovered', interrupted: true }, 'below its limit and paused by now: it has begun');
  t.ok(graceful.waitedMs >= 15 * SECOND, 'its agent had time to come back');
  t.match(await revisited('restart: { mode: graceful }', false), { restarts: 0, result: 'failed', interrupted: true }, 'it serves');
  t.match(await revisited('restart: { mode: graceful }, dry_run: true'), { restarts: 0, result: 'failed' }, 'nothing is touched');
  const changed = await revisited('restart: { mode: stop_first, stop_timeout: 1s }');
  t.match(changed, { restarts: 1, result: 'recovered' }, 'the config has changed since');
  t.ok(changed.waitedMs >= 15 * SECOND);
  const { supervisor } = configOf('apps: [{ name: shop, supervisor: { external: { port: 80, restart: [deploy], timeout: 2m } } }]').apps[0]!;
  const byCommand = await revisited('restart: { mode: graceful, stop_timeout: 10s }', true, supervisor);
  t.ok(byCommand.waitedMs >= 135 * SECOND, 'its command may be at work');
  t.match(await revisited('', true, supervisor, null), { restarts: 1, result: 'recovered' }, 'or has died between stop and start');
  t.match(await revisited('', true, undefined, null), { restarts: 0, result: 'not_ready' }, 'PM2 sees to its own');
});

t.test('an interrupted restart of an app that is no longer configured', async (t) => {
  const dir = t.testdir();
  const world = new World();
  const { journal } = await Journal.open(dir);
  await journal.record(incidentOf({ id: 'cut', outcome: null }));
  await journal.close();
  const opened = await world.open(dir);
  await opened.restarter.finishInterrupted();
  t.match(incidentsIn(dir)[0]!.outcome, { result: 'failed', sentence: /its app is no longer configured/, after: null });
  await opened.journal.close();
});

t.test('what leaks is on record with the decision, and in its sentence', async (t) => {
  const { dir, world, restarter } = await leaking(t, LIMITS);
  const leak = { class: 'heap', bytesPerSecond: 31e6 / 3600, confidence: 0.91, companions: [{ type: 'TCPSocketWrap', from: 12, to: 840 }] } as const;
  const outlook = { leak: { ...leak, companions: [...leak.companions] }, rates: { heap: 31e6 / 3600 }, forecastMs: 0, limitBytes: 500 * MB, measuredMs: HOUR };
  world.outlook = outlook;
  const answer = await restarter.ask(askOf());
  const words = 'its heap grows by 31 MB an hour (confidence 0.9); sockets: 12 → 840';
  const sentence = `shop/0: heapwarden asked for a restart (rss): its memory is 600 MB, the limit 500 MB; ${words}`;
  t.ok(world.log.at('warn').includes(sentence), 'once in the log');
  t.match(incidentsIn(dir)[0], { sentence, outlook });
  await world.outcomeOf(answer);
  t.match(world.history.find(answer.incident!), { outlook });
  world.put(LEAKING);
  world.outlook = { ...outlook, forecastMs: 10 * MINUTE };
  const refused = await restarter.ask(askOf());
  t.match(refused, { action: 'refuse', reason: 'cooldown' });
  const told = world.history.find(refused.incident!)!;
  t.match(told, { outlook: { leak, forecastMs: 10 * MINUTE } });
  t.match(told.sentence, /; its heap grows by .*; at this rate it reaches 500 MB in 10m; sockets/);
});

t.test('without a trend, what it has gained since its baseline is said', async (t) => {
  const { world, restarter } = await leaking(t, LIMITS);
  world.outlook = { leak: null, rates: {}, forecastMs: null, limitBytes: 500 * MB, measuredMs: 0 };
  world.gain = { overMs: 3 * MINUTE, bytes: 400 * MB, parts: { heap: 350 * MB, buffers: MB, native: 49 * MB, children: 0 } };
  const answer = await restarter.ask(askOf());
  const { sentence, gain } = world.history.find(answer.incident!)! as Incident;
  t.match(sentence, /the limit 500 MB; it has gained 400 MB since its baseline 3m before: heap 350 MB, native memory 49 MB$/);
  t.strictSame(gain, world.gain);
  await world.outcomeOf(answer);
  const manual = await restarter.ask(askOf({ reason: 'manual', origin: 'api', force: true }));
  t.notMatch(world.history.find(manual.incident!)!.sentence, /gained/, 'a person knows why');
  await world.outcomeOf(manual);
});

t.test('where no process runs, nothing leaks', async (t) => {
  const { world, restarter } = await leaking(t);
  world.put({ pid: null });
  const answer = await restarter.ask(askOf({ reason: 'manual', origin: 'api' }));
  t.equal((world.history.find(answer.incident!)! as Incident).outlook, null);
  await world.outcomeOf(answer);
});

t.test('a warden that is closed before it has looked leaves the record open', async (t) => {
  const dir = t.testdir();
  const world = new World(appOf(LIMITS));
  const { journal } = await Journal.open(dir);
  await journal.record(incidentOf({ id: 'cut', outcome: null }));
  await journal.close();
  const opened = await world.open(dir);
  const finished = opened.restarter.finishInterrupted();
  await opened.restarter.close();
  await finished;
  t.equal(incidentsIn(dir)[0]!.outcome, null);
  await opened.journal.close();
});
