/** A storm of bytes at the real program: large bodies, bodies cut off in the middle, bodies of strangers. */
import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { alertOf, bodyOf, randomOf, send, shuffled } from './storm-sender.js';
import { MIB, WORKERS, crowd, endWatch, leakyWarden, peakBytes, restartsOf, sendAll, tallied, watch } from './storm-warden.js';
import type { WardenProcess } from './warden-process.js';

t.test('a storm of bytes', { timeout: 170_000 }, async (t) => {
  const seed = randomInt(2 ** 31);
  const random = randomOf(seed);
  t.comment(`seed ${seed}`);
  const warden = await leakyWarden(t);
  const stopWatching = await watch(warden);
  const real = WORKERS.map((worker) => alertOf('leaky', worker, `real-${worker}`, Date.now()));

  const label = Buffer.alloc(1e6, 'x');
  const large = Array.from({ length: 1000 }, () => bodyOf(shuffled(real, random), label));
  await sendAll(t, warden, '1,000 bodies with a label of 1 MB in parallel', large);

  await t.test('bodies cut off in the middle, and of strangers', async (t) => {
    const body = bodyOf(crowd(real, Date.now(), random).slice(0, 1000));
    const strangers = Promise.all(Array.from({ length: 200 }, () => send(warden, body, 'guess')));
    for (let i = 0; i < 200; i++) cutOff(t, warden, Buffer.concat(body), random);
    const answered = await strangers;
    t.strictSame(tallied(answered.map(({ status }) => status)), { 401: 200 });
    await sleep(1000);
    const usual = await send(warden, bodyOf(real));
    t.strictSame([usual.status, usual.attempts], [202, 1], 'they hold no place: else a usual body is told to try again');
    t.comment(`a usual body is answered in ${usual.slowestMs.toFixed(0)} ms`);
  });

  t.strictSame(await restartsOf(warden), [1, 1, 1, 1], 'each worker was restarted once');
  await endWatch(t, warden, stopWatching, 1);
  // The sum of what may be: 60 MiB of Node itself; the limit of the old space; 48 MiB of young space; outside the heap 32 MiB
  // of bodies inside and 64 KiB of each of 1,000 that wait. The bodies themselves are 954 MiB.
  t.ok(peakBytes(warden) < 500 * MIB, 'its memory stays bounded');
  t.equal(await warden.stop(), 0);
});

/** Announces up to 16 MiB, sends a part of the body, and is gone: closed, or reset. */
function cutOff(t: Test, warden: WardenProcess, body: Buffer, random: () => number): void {
  const socket = connect(warden.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {}); // that is what it is for
  const chunked = random() < 0.2;
  const length = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${Math.floor(body.length + random() * 15 * MIB)}`;
  socket.write(
    `POST /api/v1/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${warden.token}\r\n` +
      `Content-Type: application/json\r\n${length}\r\n\r\n`,
  );
  const part = body.subarray(0, Math.floor(random() * body.length));
  const [resets, size] = [random() < 0.5, `${body.length.toString(16)}\r\n`];
  socket.write(chunked ? Buffer.concat([Buffer.from(size), part]) : part, () => {
    if (resets) socket.resetAndDestroy();
    else socket.end();
  });
}
