import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { deliveryOf, Queue, type RelayedAlert } from '../../src/relay/queue.js';
import { parseHeld } from '../../src/relay/relay-journal.js';
import { UNDELIVERABLE } from '../../src/relay/relay-metrics.js';
import { HOUR } from '../decide/support.js';
import { waitFor } from '../integration/wait.js';
import { openFiles } from '../open-files.js';
import { alertFor } from './simulated-warden.js';
import { RelayFixture } from './support.js';

const QUICK = 'retry: { first: 100ms, most: 200ms, max_age: 1h }';
const heldIn = (dir: string) => parseHeld(readFileSync(join(dir, 'state/relay.jsonl'), 'utf8')).held;

t.test('each machine gets its alerts, with its token, and an answer comes when all have answered', async (t) => {
  const fixture = await RelayFixture.start(t, 3, QUICK);
  const [a, b, c] = fixture.wardens;
  const alerts = [alertFor(a!.address), alertFor(b!.address), alertFor(a!.address, { worker: '1' })];
  t.strictSame(await fixture.send(alerts), { status: 202, results: ['delivered', 'delivered', 'delivered'] });
  t.strictSame(a!.received, [alerts[0], alerts[2]], 'as they came');
  t.strictSame(b!.received, [alerts[1]]);
  t.strictSame(c!.requests, [], 'who is not meant hears nothing');
  t.strictSame(a!.requests, [{ url: '/api/v1/alerts', alerts: 2 }], 'in one request');
  t.equal(await fixture.metric('heapwarden_relay_deliveries_total{result="delivered"}'), 2);
  t.equal(await fixture.metric('heapwarden_relay_alerts_received_total'), 3);
  t.equal(await fixture.metric('heapwarden_relay_targets'), 3);
  t.equal(await fixture.metric('heapwarden_relay_queue_length'), 0);
  t.equal(await fixture.metric('heapwarden_relay_oldest_undelivered_timestamp_seconds'), null);
  t.equal((await fixture.send(alerts, 'wrong')).status, 401);
});

t.test('a scrape leaves no descriptor behind', { skip: process.platform !== 'linux' && 'Linux only' }, async (t) => {
  const fixture = await RelayFixture.start(t, 1);
  const kept = () => openFiles().filter((name) => /^\/proc\/\d+\/fd$/.test(name)).length;
  t.ok((await fixture.metric('process_open_fds'))! > 5);
  const before = kept();
  for (let i = 0; i < 10; i++) await fixture.metric('process_open_fds');
  t.equal(kept(), before);
  await fixture.relay!.close();
  t.ok(kept() < before, 'and a relay that has closed none at all');
});

t.test('nobody outside the list is called', async (t) => {
  const fixture = await RelayFixture.start(t, 2);
  const [known, other] = fixture.wardens;
  writeFileSync(join(fixture.dir, 'wardens.json'), JSON.stringify([{ targets: [known!.address] }]));
  await fixture.relay!.reload();
  const alerts = [alertFor(other!.address), alertFor(null), alertFor(known!.address), alertFor(` ${known!.address}`)];
  const results = ['unknown_instance', 'no_instance', 'delivered', 'unknown_instance'];
  t.strictSame(await fixture.send(alerts), { status: 202, results });
  t.strictSame(other!.requests, []);
  t.equal(await fixture.metric('heapwarden_relay_undeliverable_alerts_total{cause="unknown_instance"}'), 2);
  t.equal(await fixture.metric('heapwarden_relay_undeliverable_alerts_total{cause="no_instance"}'), 1);
  for (let i = 0; i < 20; i++) await fixture.send([alertFor(other!.address)]);
  t.equal(fixture.log.at('warn').filter((line) => line.includes('is no target')).length, 1, 'it is said once');
});

t.test('a warden that is down: on disk before the answer, and delivered when it is back', async (t) => {
  const fixture = await RelayFixture.start(t, 2, QUICK);
  const [up, down] = fixture.wardens;
  await down!.stop();
  const alerts = [alertFor(up!.address), alertFor(down!.address)];
  t.strictSame(await fixture.send(alerts), { status: 202, results: ['delivered', 'waits'] });
  t.strictSame(heldIn(fixture.dir).map(({ alert }) => alert), [alerts[1]]);
  t.ok((await fixture.metric('heapwarden_relay_oldest_undelivered_timestamp_seconds'))! > 1e9);
  t.match(fixture.relay!.deliveries(), [{ instance: down!.address, held: false, problem: /ECONNREFUSED/ }]);
  t.strictSame((await fixture.send(alerts)).results, ['delivered', 'waits'], 'Alertmanager says it again');
  t.equal(heldIn(fixture.dir).length, 1);

  await down!.start();
  await waitFor('the delivery', () => down!.received.length > 0);
  t.strictSame(down!.received, [alerts[1]], 'once');
  await waitFor('the queue to be empty', async () => (await fixture.metric('heapwarden_relay_queue_length')) === 0);
  await fixture.relay!.close();
  t.strictSame(heldIn(fixture.dir), []);
});

t.test('what a relay left on disk, the next one delivers', async (t) => {
  const fixture = await RelayFixture.start(t, 1, QUICK);
  const [warden] = fixture.wardens;
  await warden!.stop();
  await fixture.send([alertFor(warden!.address)]);
  await fixture.relay!.close();
  await warden!.start();
  await fixture.open();
  await waitFor('the delivery', () => warden!.received.length > 0);
  t.strictSame(warden!.received, [alertFor(warden!.address)]);
});

t.test('an alert that resolves takes the place of what waited', async (t) => {
  const fixture = await RelayFixture.start(t, 1, QUICK);
  const [warden] = fixture.wardens;
  await warden!.stop();
  const firing = alertFor(warden!.address);
  const resolved = alertFor(warden!.address, { status: 'resolved', endsAt: '2026-11-21T07:05:00Z' });
  await fixture.send([firing]);
  await fixture.send([resolved]);
  t.strictSame(heldIn(fixture.dir).map(({ alert }) => alert), [resolved]);
  await warden!.start();
  await waitFor('the delivery', () => warden!.received.length > 0);
  t.strictSame(warden!.received, [resolved], 'no restart is asked for any more');
});

t.test('what is tried again, and what is not', async (t) => {
  const cases: [number, boolean][] = [
    [400, false], [404, false], [413, false], [415, false], [307, false],
    [401, true], [403, true], [408, true], [429, true], [500, true], [503, true],
  ];
  const fixture = await RelayFixture.start(t, cases.length, QUICK);
  for (const [i, [status]] of cases.entries()) fixture.wardens[i]!.refuse = () => ({ status });
  const { results } = await fixture.send(fixture.wardens.map(({ address }) => alertFor(address)));
  const again = cases.filter(([, isTriedAgain]) => isTriedAgain).length;
  t.equal(results.filter((result) => result === 'waits').length, again);
  await waitFor('second attempts', () => fixture.wardens.filter(({ requests }) => requests.length > 1).length === again);
  for (const [i, [status, isTriedAgain]] of cases.entries()) {
    t.equal(fixture.wardens[i]!.requests.length > 1, isTriedAgain, String(status));
  }
  t.equal(await fixture.metric('heapwarden_relay_undeliverable_alerts_total{cause="refused"}'), cases.length - again);
  for (const warden of fixture.wardens) warden.refuse = () => null;
  await waitFor('the rest', async () => (await fixture.metric('heapwarden_relay_queue_length')) === 0);
});

t.test('one alert that a warden cannot read does not take the others along', async (t) => {
  const fixture = await RelayFixture.start(t, 1, QUICK);
  const [warden] = fixture.wardens;
  warden!.refuse = (alerts) => (alerts.some(({ labels }) => labels['worker'] === '3') ? { status: 400 } : null);
  await fixture.send(Array.from({ length: 7 }, (_, i) => alertFor(warden!.address, { worker: String(i) })));
  t.strictSame(warden!.received.map(({ labels }) => labels['worker']), ['0', '1', '2', '4', '5', '6']);
  t.equal(await fixture.metric('heapwarden_relay_undeliverable_alerts_total{cause="refused"}'), 1);
});

t.test('a token is read for each request: one that is put right is good', async (t) => {
  const fixture = await RelayFixture.start(t, 1, QUICK);
  const [warden] = fixture.wardens;
  warden!.token = 'another';
  t.strictSame((await fixture.send([alertFor(warden!.address)])).results, ['waits']);
  writeFileSync(join(fixture.dir, `${warden!.address}.token`), 'another');
  await waitFor('the delivery', () => warden!.received.length === 1);
});

t.test('a warden that hangs holds up nobody, and Alertmanager is answered in time', async (t) => {
  const fixture = await RelayFixture.start(t, 2, `${QUICK}\nconcurrency: 2`);
  const [good, hanging] = fixture.wardens;
  await hanging!.stop();
  const silent = createServer(() => {}).listen(hanging!.port, '127.0.0.1'); // takes connections, and says nothing
  t.teardown(() => silent.close());
  await fixture.send([alertFor(hanging!.address)]);
  const from = Date.now();
  for (let i = 0; i < 10; i++) await fixture.send([alertFor(good!.address, { worker: String(i) })]);
  t.equal(good!.received.length, 10);
  t.ok(Date.now() - from < 8000, 'none of them has waited for it');
});

t.test('what waits gets too old by the clock that never jumps', async (t) => {
  const fixture = await RelayFixture.start(t, 1, QUICK);
  const [warden] = fixture.wardens;
  await fixture.relay!.close();
  fixture.clock.mostMs = 50; // so that it looks often for what is too old
  let looks = 0;
  const sleep = fixture.clock.sleep;
  fixture.clock.sleep = (ms, signal) => (ms === 30_000 && looks++, sleep(ms, signal));
  await fixture.open();
  await warden!.stop();
  await fixture.send([alertFor(warden!.address)]);
  const looksAgain = async () => {
    const enough = looks + 2;
    await waitFor('two more looks', () => looks >= enough);
  };
  fixture.clock.wallMs = 2 * HOUR;
  await looksAgain();
  t.equal(await fixture.metric('heapwarden_relay_queue_length'), 1, 'the time of day was put forward');
  fixture.clock.aheadMs = 2 * HOUR;
  await looksAgain();
  t.equal(await fixture.metric('heapwarden_relay_queue_length'), 0, 'it has passed');
  t.match(fixture.log.at('error').at(-1), /is given up \(expired\)/);
});

t.test('more than the queue may hold: Alertmanager is told to send it again', async (t) => {
  const fixture = await RelayFixture.start(t, 1, `${QUICK}\nqueue_limit: 1MB`);
  const [warden] = fixture.wardens;
  await warden!.stop();
  const many = (from: number) => Array.from({ length: 500 }, (_, i) => alertFor(warden!.address, { worker: String(from + i) }));
  const statuses = [];
  for (let i = 0; i < 4; i++) statuses.push((await fixture.send(many(i * 500))).status);
  t.equal(statuses[0], 202);
  t.equal(statuses.at(-1), 503);
  t.ok((await fixture.metric('heapwarden_relay_queue_bytes'))! <= 1e6);
});

t.test('at its limit: what takes no more room is taken, a new alert is not', async (t) => {
  const fixture = await RelayFixture.start(t, 1, `${QUICK}\nqueue_limit: 1MB`);
  const [warden] = fixture.wardens;
  await warden!.stop();
  const alert = (worker: number) => alertFor(warden!.address, { worker: String(1000 + worker) });
  const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => alert(first + i));
  let held = 0;
  for (let count = 512; count >= 1; count /= 2) {
    while ((await fixture.send(from(held, count))).status === 202) held += count;
  }
  const waits = { status: 202, results: Array<string>(100).fill('waits') };
  t.strictSame(await fixture.send(from(0, 100)), waits, 'told again');
  t.equal((await fixture.send([...from(0, 99), alert(held)])).status, 503);
  const over = { status: 'resolved', endsAt: '2026-11-21T08:00:00.123456789+01:00' };
  t.strictSame(await fixture.send(from(0, 100).map((one) => ({ ...one, ...over }))), waits, 'resolved');
  t.equal(fixture.relay!.deliveries().filter(({ status }) => status === 'resolved').length, 100);
  t.equal(fixture.relay!.deliveries().length, held);
  t.ok((await fixture.metric('heapwarden_relay_queue_bytes'))! <= 1e6);
});

t.test('the room that alerts take is known before they are put', async (t) => {
  const queue = new Queue();
  const clock = { now: () => 0, monotonic: () => 0 };
  const put = (alerts: RelayedAlert[]) => {
    const deliveries = alerts.map((alert) => deliveryOf('a:1', alert, clock, false));
    const growth = queue.growth(deliveries);
    const before = queue.bytes;
    for (const delivery of deliveries) queue.put(delivery);
    t.equal(queue.bytes - before, growth);
    return growth;
  };
  const [alert, other] = [alertFor('a:1'), alertFor('a:1', { worker: '1' })];
  const long = { ...alert, startsAt: alert.startsAt.padEnd(100) };
  t.ok(put([alert, other, alert]) > 0);
  t.equal(put([other, alert]), 0);
  t.ok(put([long, long]) > 0);
  t.ok(put([alert, long, alert]) < 0, 'the last one holds');
});

t.test('a machine that leaves the list and comes back: what was for it waits, and nobody is called', async (t) => {
  const fixture = await RelayFixture.start(t, 1, QUICK);
  const [warden] = fixture.wardens;
  const file = join(fixture.dir, 'wardens.json');
  const list = readFileSync(file, 'utf8');
  await warden!.stop();
  await fixture.send([alertFor(warden!.address)]);
  writeFileSync(file, '[]');
  await fixture.relay!.reload();
  await warden!.start();
  await waitFor('the relay to know', () => fixture.relay!.deliveries()[0]?.problem === 'it is no target any more');
  t.strictSame(warden!.requests, []);
  writeFileSync(file, list);
  await fixture.relay!.reload();
  await waitFor('the delivery', () => warden!.received.length === 1);
});

t.test('an alert that resolves for nobody is over, and nobody is told that it was not delivered', async (t) => {
  const fixture = await RelayFixture.start(t, 2, QUICK);
  await fixture.relay!.close();
  fixture.clock.mostMs = 50; // so that it looks often for what is too old
  await fixture.open();
  const [gone, away] = fixture.wardens;
  const resolved = (instance: string | null) => alertFor(instance, { status: 'resolved', endsAt: '2026-11-21T07:05:00Z' });
  await Promise.all([gone!.stop(), away!.stop()]);
  const replaced = alertFor(gone!.address, { worker: '1' });
  await fixture.send([alertFor(gone!.address), replaced, alertFor(away!.address)]);
  await fixture.send([{ ...replaced, status: 'resolved' }, resolved(away!.address)]);
  t.equal(heldIn(fixture.dir).length, 3);
  writeFileSync(join(fixture.dir, 'wardens.json'), JSON.stringify([{ targets: [away!.address] }]));
  await fixture.relay!.reload();
  await waitFor('what had resolved before', () => fixture.relay!.deliveries().length === 2);

  const strangers = [gone!.address, null, '10.9.9.9:9973'].map(resolved);
  t.strictSame(await fixture.send(strangers), { status: 202, results: ['over', 'over', 'over'] });
  t.match(fixture.relay!.deliveries(), [{ instance: away!.address, status: 'resolved' }], 'who is a target is still told');
  t.equal(await fixture.metric('heapwarden_relay_queue_length'), 1);

  fixture.clock.aheadMs = 2 * HOUR;
  await waitFor('what is too old', async () => (await fixture.metric('heapwarden_relay_queue_length')) === 0);
  for (const cause of UNDELIVERABLE) {
    t.equal(await fixture.metric(`heapwarden_relay_undeliverable_alerts_total{cause="${cause}"}`), 0, cause);
  }
  t.strictSame(fixture.log.at('error'), []);
  await fixture.relay!.close();
  t.strictSame(heldIn(fixture.dir), []);
});

t.test('a full disk: what cannot be kept is not taken, and what is answered at once goes through', async (t) => {
  const fixture = await RelayFixture.start(t, 2, QUICK);
  const [up, down] = fixture.wardens;
  await down!.stop();
  // Bytes that any file of this process may have; the write that goes beyond ends as on a full disk.
  const limitFiles = (bytes: string) => execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
  const ignore = (): void => {};
  process.on('SIGXFSZ', ignore); // it would end the process
  t.teardown(() => process.off('SIGXFSZ', ignore));
  limitFiles('50');
  try {
    t.equal((await fixture.send([alertFor(down!.address)])).status, 503);
    t.strictSame((await fixture.send([alertFor(up!.address)])).results, ['delivered']);
  } finally {
    limitFiles('unlimited');
  }
  t.equal(await fixture.metric('heapwarden_relay_journal_errors_total'), 1);
  t.strictSame(await fixture.send([alertFor(down!.address)]), { status: 202, results: ['waits'] });
  t.equal(heldIn(fixture.dir).length, 1);
});

t.test('no target list, no answer: nothing is lost because a file is missing', async (t) => {
  const fixture = await RelayFixture.start(t, 1);
  await fixture.relay!.close();
  const file = join(fixture.dir, 'wardens.json');
  const list = readFileSync(file, 'utf8');
  writeFileSync(file, '[{"targets": "not a list"}]');
  await fixture.open();
  t.equal((await fixture.send([alertFor(fixture.wardens[0]!.address)])).status, 503);
  t.equal(await fixture.metric('heapwarden_relay_targets_refresh_successful'), 0);
  t.match(fixture.log.at('error').at(-1), /wardens\.json: group 1 has no "targets".*no alert is taken until it can/);
  writeFileSync(file, list);
  await fixture.relay!.reload();
  t.equal((await fixture.send([alertFor(fixture.wardens[0]!.address)])).status, 202);
  writeFileSync(file, 'nonsense');
  await t.rejects(fixture.relay!.reload(), { code: 'CONFIG_UNREADABLE', message: /the list from before stays/ });
  t.equal((await fixture.send([alertFor(fixture.wardens[0]!.address)])).status, 202);
});

t.test('the brake: not more machines at once than it says, and all in the end', async (t) => {
  let now = 0;
  let most = 0;
  const onRestart = (_app: string, change: 1 | -1) => void (most = Math.max(most, (now += change)));
  const brake = 'brake: { max_restarts: 2, min_up: 50%, refresh_interval: 100ms }';
  const fixture = await RelayFixture.start(t, 8, `${QUICK}\n${brake}`, { restartMs: 300, onRestart });
  const { status, results } = await fixture.send(fixture.wardens.map(({ address }) => alertFor(address)));
  t.equal(status, 202);
  t.strictSame([...new Set(results)], ['held']);
  t.equal(heldIn(fixture.dir).length, 8, 'on disk while they wait');
  await waitFor('all restarts', () => fixture.wardens.every(({ restarts }) => restarts === 1), 60_000);
  t.equal(most, 2);
  t.ok(fixture.wardens.every(({ requests }) => requests.every(({ url }) => url.endsWith('?wait=false'))));
  await waitFor('the queue to be empty', async () => (await fixture.metric('heapwarden_relay_queue_length')) === 0);
});

t.test('the brake: what is held is let go when it resolves, and is told', async (t) => {
  const brake = 'brake: { max_restarts: 1, min_up: 50%, refresh_interval: 100ms }';
  const fixture = await RelayFixture.start(t, 3, `${QUICK}\n${brake}`);
  const [busy, held] = fixture.wardens;
  busy!.workers.get('shop')![0]!.restarting = true; // by somebody else
  await fixture.send([alertFor(held!.address)]);
  await waitFor('the brake to say why', () => fixture.relay!.deliveries()[0]?.problem?.includes('restarted on 1 of at most 1'));
  t.ok((await fixture.metric('heapwarden_relay_oldest_held_timestamp_seconds'))! > 1e9);
  t.equal(await fixture.metric('heapwarden_relay_held_alerts'), 1);
  t.equal(await fixture.metric('heapwarden_relay_oldest_undelivered_timestamp_seconds'), null);
  const resolved = alertFor(held!.address, { status: 'resolved', endsAt: '2026-11-21T07:05:00Z' });
  t.strictSame((await fixture.send([resolved])).results, ['delivered']);
  busy!.workers.get('shop')![0]!.restarting = false;
  t.strictSame(held!.received, [resolved]);
  t.equal(await fixture.metric('heapwarden_relay_held_alerts'), 0);
});

/** A relay with a brake for one machine, at which an alert waits that its warden refuses for now. */
async function refusedForNow(t: Test, wardens = 1) {
  const brake = 'brake: { max_restarts: 1, min_up: 0%, refresh_interval: 100ms }';
  const fixture = await RelayFixture.start(t, wardens, `${QUICK}\n${brake}`);
  const [warden, other] = fixture.wardens;
  warden!.decide = () => 'cooldown';
  await fixture.send([alertFor(warden!.address)]);
  await waitFor('the refusal', () => fixture.relay!.deliveries()[0]?.problem?.includes('refused it for now: cooldown'));
  return { fixture, warden, other };
}

t.test('the brake: what the warden refuses for now waits at the relay, and its place is free', async (t) => {
  const { fixture, warden: refusing, other } = await refusedForNow(t, 2);
  await fixture.send([alertFor(other!.address)]);
  await waitFor('the other restart', () => other!.restarts === 1);
  t.match(fixture.relay!.deliveries(), [{ instance: refusing!.address, held: true }]);
});

t.test('the brake: how long it holds does not hang on the time of day', async (t) => {
  const { fixture, warden } = await refusedForNow(t);
  warden!.decide = null;
  fixture.clock.wallMs = -HOUR;
  fixture.clock.aheadMs = 16_000; // it asks again after 15 s
  await waitFor('the restart', () => warden!.restarts === 1);
});

t.test('the brake: what it held has not waited for its warden, until it is let go', async (t) => {
  const { fixture, warden } = await refusedForNow(t);
  const letTimePass = (): void => {
    fixture.clock.wallMs += 600_000;
    fixture.clock.aheadMs += 600_000;
  };
  /** Seconds; 0 where nothing waits for its warden. */
  const waited = async (): Promise<number> => {
    const since = await fixture.metric('heapwarden_relay_oldest_undelivered_timestamp_seconds');
    return since === null ? 0 : fixture.clock.now() / 1000 - since;
  };

  let answer = (): void => {};
  warden!.until = new Promise((resolve) => {
    answer = resolve;
  });
  letTimePass();
  await waitFor('it to be asked again', () => warden!.requests.length === 2);
  const beforeTheAnswer = await waited();
  t.ok(beforeTheAnswer > 0 && beforeTheAnswer < 60, `${beforeTheAnswer} s, of ten minutes`);
  answer();
  await waitFor('the second refusal', () => fixture.relay!.deliveries()[0]?.held);

  warden!.refuse = () => ({ status: 401 });
  letTimePass();
  await waitFor('a second attempt', () => warden!.requests.length >= 4);
  letTimePass();
  await waitFor('the time over both', async () => (await waited()) >= 600);
});

t.test('the brake: an app of which too little is known to be up is left alone', async (t) => {
  const brake = 'brake: { max_restarts: 4, min_up: 75%, refresh_interval: 100ms }';
  const fixture = await RelayFixture.start(t, 4, `${QUICK}\n${brake}`);
  const [first, silent] = fixture.wardens;
  await silent!.stop();
  await fixture.send([alertFor(first!.address)]);
  await waitFor('the brake to say why', () => fixture.relay!.deliveries()[0]?.problem?.includes('1 wardens do not answer'));
  t.match(fixture.relay!.deliveries()[0]!.problem, /2 of the app's 4 workers would be known to be up, and 3 must be/);
  t.equal(first!.restarts, 0);
  await silent!.start();
  await waitFor('the restart', () => first!.restarts === 1);
});
