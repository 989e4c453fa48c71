/** A storm of alerts at the real program: however often they come, each distinct alert leads to one restart at most. */
import { randomInt } from 'node:crypto';
import t from 'tap';
import { alertOf, bodyOf, randomOf, shuffled, type Alert } from './storm-sender.js';
import { MIB, WORKERS, allOver, crowd, endWatch, leakyWarden, peakBytes, restartsOf, sendAll, tallied, watch } from './storm-warden.js';

/** Some of them, any, maybe one of them twice. */
const someOf = (alerts: readonly Alert[], count: number, random: () => number): Alert[] =>
  Array.from({ length: count }, () => alerts[Math.floor(random() * alerts.length)]!);

t.test('a storm of alerts', { timeout: 170_000 }, async (t) => {
  const seed = randomInt(2 ** 31);
  const random = randomOf(seed);
  t.comment(`seed ${seed}`);
  const warden = await leakyWarden(t);
  const stopWatching = await watch(warden);
  const realAlerts = () => WORKERS.map((worker) => alertOf('leaky', worker, `real-${worker}`, Date.now()));

  const first = realAlerts();
  const alerts = crowd(first, Date.now(), random);
  const [sent] = await sendAll(t, warden, '10,000 alerts in one body', [bodyOf(alerts)]);
  t.strictSame(sent!.answers.map(({ fingerprint }) => fingerprint), alerts.map(({ fingerprint }) => fingerprint), 'each is answered');
  const decisions = tallied(sent!.answers.map(({ decision }) => decision));
  t.equal(decisions['restart'], WORKERS.length, JSON.stringify(decisions));

  // The same again in another order, and other alerts of the same age about the same workers.
  const replays = Array.from({ length: 1000 }, (_, i) => {
    const [some, worker] = [someOf(alerts, 20, random), WORKERS[i % WORKERS.length]!];
    const other = alertOf('leaky', worker, `other-${i}`, Date.parse(first[0]!.startsAt));
    return bodyOf(shuffled([...some, ...first, other, ...some.slice(0, 5)], random));
  });
  await sendAll(t, warden, '1,000 bodies in parallel', replays);
  t.strictSame(await restartsOf(warden), [1, 1, 1, 1], 'each worker was restarted once');

  await allOver(warden);
  const second = realAlerts();
  const mixed = Array.from({ length: 200 }, () => bodyOf(shuffled([...second, ...first, ...someOf(alerts, 20, random)], random)));
  await sendAll(t, warden, 'the next alerts, amid replays of the first', mixed);
  t.strictSame(await restartsOf(warden), [2, 2, 2, 2], 'once more: the same alerts with another start');

  await endWatch(t, warden, stopWatching, 2);
  // 100 MiB at rest; the alerts of 1,000 bodies of 10 kB and their answers are some 50 MB, and V8 collects late.
  t.ok(peakBytes(warden) < 500 * MIB, 'its memory stays bounded');
  t.equal(await warden.stop(), 0);
});
