import t from 'tap';
import { Intake } from '../../src/act/intake.js';
import type { Answer } from '../../src/act/restarter.js';
import type { Webhook } from '../../src/decide/alerts.js';
import type { Ask, Refusal } from '../../src/decide/decision.js';
import { WaitingAsks } from '../../src/act/waiting-asks.js';
import { HeapwardenError } from '../../src/errors.js';
import { ALERTMANAGER, GRAFANA } from '../decide/payloads.js';
import { MB, NOW, configOf, workerOf, workersOf, type Made } from '../decide/support.js';

const CONFIG = configOf(`
apps:
  - name: shop
    supervisor: { pm2: shop }
    limits: { rss: { restart: 500MB }, heap: { restart: 90% }, freeze: { restart: 15s } }
`);

interface Setting {
  made?: Made[];
  refuse?: Record<string, Refusal>;
  /** Fingerprint of the alert for which a restart waits. */
  cancels?: string;
}

/** An intake whose restarter says yes, but for the workers named. */
function intakeOf({ made = [], refuse = {}, cancels }: Setting) {
  const asks: Ask[] = [];
  const decisions: string[] = [];
  const waiting = new WaitingAsks({ find: () => null });
  const workers = workersOf(...made.map(workerOf));
  const intake = new Intake({
    config: () => CONFIG,
    observer: { workers },
    restarter: {
      ask: async (ask): Promise<Answer> => {
        asks.push(ask);
        const { app, worker, reason } = ask;
        const refusal = refuse[worker];
        const common = { sentence: `about ${app}/${worker}`, app, worker, incident: `i${asks.length}` };
        if (refusal) return { action: 'refuse', reason: refusal, ...common };
        return { action: 'restart', reason, ...common };
      },
      cancel: ({ fingerprint }) => (fingerprint === cancels ? ['i9'] : []),
    },
    waiting,
    onAlert: (decision) => decisions.push(decision),
  });
  return { intake, asks, decisions, waiting };
}

const alert = (labels: Record<string, string>, more: Partial<Webhook['alerts'][number]> = {}): Webhook => ({
  alerts: [
    {
      status: 'firing',
      labels: { action: 'restart', ...labels },
      startsAt: '2026-11-21T00:00:00Z',
      fingerprint: 'f1',
      ...more,
    },
  ],
});

t.test('one answer for each alert, in their order', async (t) => {
  const { intake, asks, decisions } = intakeOf({ made: [{ worker: '1' }] });
  t.strictSame(await intake.receiveAlerts(ALERTMANAGER), [
    {
      fingerprint: '1a30ba71cca2921f',
      app: 'shop',
      worker: '1',
      decision: 'restart',
      sentence: 'about shop/1',
      incident: 'i1',
    },
    {
      fingerprint: '9bb41d3ac3f6c2ad',
      app: 'shop',
      worker: '1',
      decision: 'resolved',
      sentence: 'it is over',
      incident: null,
    },
  ]);
  t.match(asks, [{ app: 'shop', worker: '1', reason: 'rss', origin: 'alertmanager', force: false, dryRun: false }]);
  t.match(asks[0]!.alert, { fingerprint: '1a30ba71cca2921f', endsAtMs: null });
  t.strictSame(decisions, ['restart', 'resolved']);
});

t.test('an alert without a worker is about all of them', async (t) => {
  const made = [{ worker: '0' }, { worker: '1' }, { worker: '2' }, { app: 'other' }];
  const { intake, asks, decisions } = intakeOf({ made, refuse: { 1: 'cooldown' } });
  const answers = await intake.receiveAlerts(GRAFANA);
  t.strictSame(answers.map(({ worker, decision }) => [worker, decision]), [
    ['0', 'restart'],
    ['1', 'cooldown'],
    ['2', 'restart'],
  ]);
  t.equal(asks.length, 3);
  t.strictSame(decisions, ['restart', 'cooldown', 'restart']);
});

t.test('without a reason it is about the resource that is over its restart limit', async (t) => {
  const cases: [string, Made, string][] = [
    ['nothing is', {}, 'rss'],
    ['memory', { rssBytes: 500 * MB }, 'rss'],
    ['the heap', { stats: { heap_used: 90 * MB } }, 'heap'],
    ['the loop', { heartbeatAtMs: NOW - 15_000 }, 'freeze'],
    ['memory and the loop', { rssBytes: 500 * MB, heartbeatAtMs: NOW - 15_000 }, 'rss'],
    ['no process', { pid: null }, 'rss'],
  ];
  for (const [what, made, reason] of cases) {
    const { intake, asks } = intakeOf({ made: [made] });
    await intake.receiveAlerts(alert({ app: 'shop', worker: '0' }));
    t.strictSame(asks.map((ask) => ask.reason), [reason], what);
  }
});

t.test('what names nothing configured is asked about by name, so that it is refused by name', async (t) => {
  const { intake, asks } = intakeOf({ refuse: { 0: 'unknown_app', 7: 'unknown_app' } });
  const decision = 'unknown_app';
  t.match(await intake.receiveAlerts(alert({ app: 'nobody' })), [{ app: 'nobody', worker: '0', decision }]);
  t.match(await intake.receiveAlerts(alert({ app: 'shop', worker: '7' })), [{ worker: '7', decision }]);
  t.equal(asks.length, 2);
});

t.test('what asks for nothing is answered and touches nothing', async (t) => {
  const { intake, asks, decisions } = intakeOf({ made: [{}] });
  t.match(await intake.receiveAlerts(alert({ app: 'shop', action: 'page' })), [
    {
      decision: 'ignored',
      worker: null,
      sentence: 'it carries no action="restart", so nothing was asked of heapwarden',
      incident: null,
    },
  ]);
  t.match(await intake.receiveAlerts(alert({ app: 'shop' }, { startsAt: 'soon' })), [
    { decision: 'invalid', sentence: 'it has no app label, or one that no app can have, or its status or startsAt cannot be read' },
  ]);
  t.match(await intake.receiveAlerts(alert({})), [{ decision: 'invalid', app: '' }]);
  t.strictSame(await intake.receiveAlerts({ alerts: [] }), []);
  t.strictSame(asks, []);
  t.strictSame(decisions, ['ignored', 'invalid', 'invalid']);
});

t.test('a request names one worker, or means all', async (t) => {
  const request = { app: 'shop', worker: null, reason: 'manual', force: false, dryRun: false } as const;
  const { intake, asks } = intakeOf({ made: [{ worker: '0' }, { worker: '1' }] });
  t.strictSame((await intake.requestRestart(request)).map(({ worker }) => worker), ['0', '1']);
  await intake.requestRestart({ app: 'shop', worker: '1', reason: 'heap', force: true, dryRun: true });
  t.strictSame(asks.at(-1), {
    app: 'shop', worker: '1', reason: 'heap', origin: 'api', force: true, dryRun: true, alert: null, dueAtMs: null,
  });
  t.equal((await intake.requestRestart({ ...request, app: 'nobody' })).length, 1);
});

t.test('10,000 alerts in one body', async (t) => {
  const made = [{ worker: '0' }, { worker: '1' }];
  const { intake, asks, decisions } = intakeOf({ made, refuse: { 1: 'cooldown' } });
  const alerts = Array.from({ length: 10_000 }, (_, i) => ({
    ...alert({ app: 'shop', worker: String(i % 2) }).alerts[0]!,
    status: i % 10 === 9 ? 'resolved' : 'firing',
    fingerprint: `f${i % 5000}`,
  }));
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const answers = await intake.receiveAlerts({ alerts });
  clearInterval(timer);
  t.strictSame(answers.map(({ fingerprint }) => fingerprint), alerts.map(({ fingerprint }) => fingerprint), 'in the order of the body');
  t.strictSame(
    answers.slice(0, 10).map(({ decision }) => decision),
    ['restart', 'cooldown', 'restart', 'cooldown', 'restart', 'cooldown', 'restart', 'cooldown', 'restart', 'resolved'],
  );
  t.equal(asks.length, 4500, 'each distinct one that fires is asked about once');
  t.strictSame(answers.slice(5000), answers.slice(0, 5000), 'and its repetition is answered the same');
  t.equal(decisions.length, 10_000, 'each is counted');
  t.ok(turns > 2, 'and the event loop turned meanwhile');
});

t.test('the same fingerprint is another alert with another start, app, worker, status or reason', async (t) => {
  const { intake, asks } = intakeOf({ made: [{ worker: '0' }, { worker: '1' }] });
  const [one] = alert({ app: 'shop', worker: '0' }).alerts;
  const labels = one!.labels;
  const alerts = [
    one!,
    { ...one!, startsAt: '2026-11-21T00:00:01Z' },
    { ...one!, labels: { ...labels, worker: '1' } },
    { ...one!, labels: { ...labels, app: 'other' } },
    { ...one!, labels: { ...labels, reason: 'heap' } },
    { ...one!, status: 'resolved' },
    { ...one!, startsAt: '2026-11-21T01:00:00+01:00' },
  ];
  t.equal((await intake.receiveAlerts({ alerts })).length, 7);
  t.equal(asks.length, 5, 'all that fire, but for the last: it is the first again, in another time zone');
});

t.test('where the journal fails, the rest of a body is not asked about', async (t) => {
  let asked = 0;
  const intake = new Intake({
    config: () => CONFIG,
    observer: { workers: workersOf(workerOf()) },
    restarter: {
      ask: async () => {
        asked++;
        throw new HeapwardenError('JOURNAL_UNWRITABLE', 'the journal cannot be written');
      },
      cancel: () => [],
    },
    waiting: new WaitingAsks({ find: () => null }),
    onAlert: () => t.fail('nothing was decided'),
  });
  const alerts = Array.from({ length: 10_000 }, (_, i) => alert({ app: 'shop' }, { fingerprint: `f${i}` }).alerts[0]!);
  await t.rejects(intake.receiveAlerts({ alerts }), { code: 'JOURNAL_UNWRITABLE' });
  const before = asked;
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.equal(asked, before);
  t.ok(asked <= 500, `${asked} of 10,000`);
});

t.test('what is over in a body is over, wherever in the body it says so', async (t) => {
  const order: string[] = [];
  const intake = new Intake({
    config: () => CONFIG,
    observer: { workers: workersOf(workerOf()) },
    restarter: {
      ask: async ({ app, worker, alert }) => {
        await new Promise((resolve) => setTimeout(resolve, 5)); // as a look takes
        order.push(`ask ${alert?.fingerprint}`);
        return { action: 'restart', reason: 'rss', sentence: '', app, worker, incident: 'i1' };
      },
      cancel: ({ fingerprint }) => {
        order.push(`cancel ${fingerprint}`);
        return ['i1'];
      },
    },
    waiting: new WaitingAsks({ find: () => null }),
    onAlert: () => {},
  });
  const [firing] = alert({ app: 'shop', worker: '0' }).alerts;
  const over = { ...firing!, status: 'resolved', endsAt: '2026-11-21T00:05:00Z' };
  const answers = await intake.receiveAlerts({ alerts: [over, firing!] });
  t.strictSame(order, ['ask f1', 'cancel f1']);
  t.strictSame(answers.map(({ decision }) => decision), ['resolved', 'restart'], 'the answers are in the order of the body');
});

t.test('what is refused for now waits, unless the sender wants to ask again itself', async (t) => {
  const { intake, waiting } = intakeOf({ made: [{}], refuse: { 0: 'cooldown' } });
  const webhook = alert({ app: 'shop', worker: '0', reason: 'rss' });
  t.match(await intake.receiveAlerts(webhook, { mayWait: false }), [{ decision: 'cooldown' }]);
  t.strictSame(waiting.list(), []);
  await intake.receiveAlerts(webhook, { mayWait: true });
  t.equal(waiting.list().length, 1);
});

t.test("an intent that cannot be written is the sender's to hear of", async (t) => {
  const intake = new Intake({
    config: () => CONFIG,
    observer: { workers: workersOf(workerOf()) },
    restarter: {
      ask: async () => {
        throw new HeapwardenError('JOURNAL_UNWRITABLE', 'the journal cannot be written');
      },
      cancel: () => [],
    },
    waiting: new WaitingAsks({ find: () => null }),
    onAlert: () => t.fail('nothing was decided'),
  });
  await t.rejects(intake.receiveAlerts(alert({ app: 'shop' })), { code: 'JOURNAL_UNWRITABLE' });
});
