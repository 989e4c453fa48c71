import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify from 'fastify';
import t, { type Test } from 'tap';
import { Gate, throughGate } from '../../src/http/gate.js';
import { SparseLog } from '../../src/sparse-log.js';
import { MemoryLog } from '../act/support.js';
import { waitFor } from '../integration/wait.js';

const PATIENT = { bytes: 100, waiting: 10, patienceMs: 60_000 };

/** Enters; `end` ends the request, `entered` is null while it waits. */
function visit(gate: Gate, bytes: number) {
  const over = new AbortController();
  const visitor = { entered: null as boolean | null, end: () => over.abort(), done: Promise.resolve() };
  visitor.done = gate.enter(bytes, over.signal).then((entered) => void (visitor.entered = entered));
  return visitor;
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

t.test('lets in what fits, and the rest in the order in which it came', async (t) => {
  const gate = new Gate(PATIENT);
  const [a, b, c, d] = [visit(gate, 60), visit(gate, 40), visit(gate, 50), visit(gate, 1)];
  const seen = async () => {
    await settle();
    return [a, b, c, d].map(({ entered }) => entered);
  };
  t.strictSame(await seen(), [true, true, null, null]);
  b.end();
  t.strictSame(await seen(), [true, true, null, null], 'the small one does not pass the large one');
  b.end();
  t.strictSame(await seen(), [true, true, null, null], 'an end counts once');
  a.end();
  t.strictSame(await seen(), [true, true, true, true]);
  for (const { end } of [c, d]) end();
  const all = visit(gate, 100);
  await settle();
  t.equal(all.entered, true, 'everything was given back');
  all.end();
});

t.test('who goes while it waits makes room for those behind it', async (t) => {
  const gate = new Gate(PATIENT);
  const [inside, large, small] = [visit(gate, 60), visit(gate, 50), visit(gate, 40)];
  large.end();
  await settle();
  t.strictSame([inside.entered, large.entered, small.entered], [true, false, true]);
  const gone = new AbortController();
  gone.abort();
  t.equal(await gate.enter(1, gone.signal), false, 'who had gone before it came is not let in');
  inside.end();
  small.end();
});

t.test('nobody waits for longer than its patience, or behind too many', async (t) => {
  const gate = new Gate({ bytes: 100, waiting: 2, patienceMs: 200 });
  const inside = visit(gate, 100);
  const [b, c, d] = [visit(gate, 1), visit(gate, 1), visit(gate, 1)];
  await settle();
  t.strictSame([b.entered, c.entered, d.entered], [null, null, false], 'a third one does not wait at all');
  await Promise.all([b.done, c.done]);
  t.strictSame([b.entered, c.entered], [false, false]);
  b.end();
  inside.end();
  const next = visit(gate, 100);
  await next.done;
  t.equal(next.entered, true, 'those turned away have taken nothing, and give nothing back');
  const second = visit(gate, 1);
  await settle();
  t.equal(second.entered, null);
  next.end();
  second.end();
});

/** A server with one gated route; it answers with the length of what it was sent, as soon as `open` is called. */
async function gated(t: Test, { bytes = 1000, patienceMs = 10_000, idleMs = 10_000, answer = '' } = {}) {
  const log = new MemoryLog();
  const server = Fastify({ bodyLimit: 1000, forceCloseConnections: true });
  const gate = new Gate({ bytes, waiting: 10, patienceMs });
  /** Who has come to the gate, in this order; `entered` is null while it waits. */
  const comers: { bytes: number; entered: boolean | null }[] = [];
  const enter = gate.enter.bind(gate);
  gate.enter = async (bytes, over) => {
    const comer = { bytes, entered: null as boolean | null };
    comers.push(comer);
    return (comer.entered = await enter(bytes, over));
  };
  const untilLast = (bytes: number, entered: boolean | null) =>
    waitFor(`one of ${bytes} bytes at the gate`, () => comers.at(-1)?.bytes === bytes && comers.at(-1)?.entered === entered);
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const inside: number[] = [];
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  const before = { delayMs: 0 };
  const checkToken = async () => {
    if (before.delayMs > 0) await sleep(before.delayMs);
  };
  const onRequest = [checkToken, throughGate(gate, 1000, new SparseLog(log), idleMs)];
  server.post<{ Body: string }>('/', { onRequest }, async ({ body }) => {
    inside.push(body.length);
    await opened;
    return answer || String(body.length);
  });
  const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }));
  t.teardown(() => server.close());
  const send = (head: string, body = '') => {
    const socket: Socket & { said?: string } = connect(Number(port), '127.0.0.1');
    socket.said = '';
    socket.on('data', (chunk) => (socket.said += String(chunk)));
    socket.on('error', () => {}); // a reset is an end too
    t.teardown(() => socket.destroy());
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nConnection: close\r\n${head}\r\n\r\n${body}`);
    return socket;
  };
  const post = (length: number) => send(`Content-Length: ${length}`, 'x'.repeat(length));
  return { open, inside, untilLast, before, send, post, log };
}

const statusOf = (socket: { said?: string }) => /^HTTP\/1.1 (\d+)/.exec(socket.said ?? '')?.[1];
const answers = (...sockets: { said?: string }[]) =>
  waitFor('answers', () => sockets.every((socket) => statusOf(socket) !== undefined) && sockets.map(statusOf));

t.test('bodies wait unread, and are answered when their turn comes', async (t) => {
  const { open, inside, post } = await gated(t);
  const sockets = [post(600)];
  await waitFor('the first to be inside', () => inside.length === 1);
  sockets.push(post(300), post(500), post(100));
  await waitFor('the second to be inside', () => inside.length === 2);
  await sleep(100);
  t.strictSame(inside, [600, 300]);
  open();
  t.strictSame(await answers(...sockets), ['200', '200', '200', '200']);
  t.strictSame(inside.toSorted(), [100, 300, 500, 600]);
});

t.test('a body without a length counts as the largest', async (t) => {
  const { open, inside, send, post } = await gated(t);
  const chunked = send('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n');
  await waitFor('it to be inside', () => inside.length === 1);
  const small = post(1);
  await sleep(100);
  t.strictSame(inside, [5]);
  open();
  t.strictSame(await answers(chunked, small), ['200', '200']);
});

t.test('what is too large is refused at once, without waiting', async (t) => {
  const { inside, send, post } = await gated(t);
  post(1000);
  await waitFor('one to fill the gate', () => inside.length === 1);
  t.strictSame(await answers(send('Content-Length: 1001')), ['413']);
});

t.test('a 503 after its patience, which says when to come again; one line of the log for all', async (t) => {
  const { inside, post, log } = await gated(t, { patienceMs: 100 });
  post(1000);
  await waitFor('one to fill the gate', () => inside.length === 1);
  const sockets = [post(1), post(1), post(1)];
  t.strictSame(await answers(...sockets), ['503', '503', '503']);
  t.match(sockets[0]!.said, /retry-after: 5\r\n/i);
  t.match(sockets[0]!.said, /\{"error":"busy","message":"heapwarden is busy with other webhook bodies; send this one again in a few seconds"\}$/);
  t.strictSame(log.at('warn'), ['more webhook bodies came than may be held at once; the sender is told to try again']);
});

t.test('one that is cut off in the middle gives its place back', async (t) => {
  const { inside, untilLast, send, post, open } = await gated(t);
  open();
  for (const cut of ['destroy', 'end', 'resetAndDestroy'] as const) {
    const half = send('Content-Length: 1000', 'half');
    await untilLast(1000, true);
    const waiting = post(10);
    await untilLast(10, null);
    t.equal(statusOf(waiting), undefined, 'it is full');
    half[cut]();
    t.strictSame(await answers(waiting), ['200'], cut);
  }
  t.strictSame(inside, [10, 10, 10]);
});

t.test('one that is cut off before it comes to the gate takes no place', async (t) => {
  const { post, send, before, open } = await gated(t);
  open();
  before.delayMs = 100;
  for (let i = 0; i < 3; i++) send('Content-Length: 1000', 'half').resetAndDestroy();
  const halves = [send('Content-Length: 1000', 'half'), send('Content-Length: 1000', 'half')];
  await sleep(50);
  for (const half of halves) half.resetAndDestroy();
  await sleep(200);
  t.strictSame(await answers(post(1000)), ['200']);
});

t.test('one that is cut off while it waits is not let in', async (t) => {
  const { inside, untilLast, post, open } = await gated(t);
  const first = post(1000);
  await waitFor('one to fill the gate', () => inside.length === 1);
  const gone = post(999);
  await untilLast(999, null);
  gone.destroy();
  await untilLast(999, false);
  open();
  await answers(first);
  t.strictSame(await answers(post(1000)), ['200']);
  t.notOk(inside.includes(999));
});

t.test('one that never sends is told so, and gives its place back', async (t) => {
  const { untilLast, send, post, open } = await gated(t, { idleMs: 300 });
  open();
  const silent = send('Content-Length: 1000');
  await untilLast(1000, true);
  const waiting = post(10);
  t.strictSame(await answers(silent, waiting), ['503', '200'], 'Alertmanager does not try again on a 408');
  t.match(silent.said, /"nothing of the body came for 0.3 s; send it again"/);
  await waitFor('the connection to be closed', () => silent.destroyed || silent.readableEnded);
});

t.test('one that takes its time to be answered is not cut off, nor is one that sends slowly', async (t) => {
  const { inside, post, send, open } = await gated(t, { idleMs: 300 });
  const [slow, quick] = [send('Content-Length: 500'), post(500)];
  for (let i = 0; i < 5; i++) {
    await sleep(100);
    slow.write('x'.repeat(100));
  }
  await waitFor('both to be inside', () => inside.length === 2);
  await sleep(600);
  open();
  t.strictSame(await answers(slow, quick), ['200', '200']);
});

t.test('one whose bytes wait while we ourselves are held up is not cut off', async (t) => {
  const { send, open } = await gated(t, { idleMs: 300 });
  open();
  const socket = send('Content-Length: 1000', 'x'.repeat(500));
  await sleep(100);
  socket.write('x'.repeat(100));
  for (const end = Date.now() + 600; Date.now() < end; ); // the event loop does not turn
  await sleep(50);
  t.equal(statusOf(socket), undefined);
  socket.write('x'.repeat(400));
  t.strictSame(await answers(socket), ['200']);
});

t.test('one that never reads its answer is cut off', async (t) => {
  const { inside, post, open } = await gated(t, { idleMs: 300, answer: 'x'.repeat(32 * 2 ** 20) });
  const deaf = post(1000);
  deaf.pause();
  await waitFor('it to be inside', () => inside.length === 1);
  open();
  const next = post(1000);
  await waitFor('its place to be given back', () => inside.length === 2);
  next.destroy();
});
