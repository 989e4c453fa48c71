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
  const waiting = new WaitingAsks();
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
      cancel: (fingerprint) => (fingerprint === cancels ? ['i9'] : []),
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
    waiting: new WaitingAsks(),
    onAlert: () => t.fail('nothing was decided'),
  });
  await t.rejects(intake.receiveAlerts(alert({ app: 'shop' })), { code: 'JOURNAL_UNWRITABLE' });
});
