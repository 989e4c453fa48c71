import { strict as assert } from 'node:assert';
import { connect } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { LineReader } from '../../src/agent/lines.cjs';
import { GC_BUCKETS_SECONDS, type AgentFrame, type GcHistogram, type RuntimeStats } from '../../src/agent/protocol.cjs';
import { systemClock } from '../../src/clock.js';
import { BadFrame, parseAgentFrame } from '../../src/observe/agent-frames.js';
import { AgentHub } from '../../src/observe/hub.js';
import { anyText, damagedText, jsonWith } from './damage.js';
import { target } from './target.js';

const amount = fc.oneof(fc.nat(), fc.double({ min: 0, max: 1e300, noNaN: true }).map((value) => value + 0));
const count = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const names = fc.string({ minLength: 1, maxLength: 64 }).filter((name) => !/\p{Cc}/u.test(name));
const amounts = fc.dictionary(fc.string({ maxLength: 64 }), amount, { maxKeys: 64, noNullPrototype: true });
const histogram: fc.Arbitrary<GcHistogram> = fc.record({
  count: amount, sum_seconds: amount, buckets: fc.array(amount, { minLength: GC_BUCKETS_SECONDS.length, maxLength: GC_BUCKETS_SECONDS.length }),
});
const stats: fc.Arbitrary<RuntimeStats> = fc.record({
  heap_used: amount, heap_total: amount, heap_limit: amount, heap_live: fc.option(amount), external: amount, array_buffers: amount, heap_spaces: amounts,
  gc: fc.record({ major: histogram, minor: histogram, incremental: histogram, weakcb: histogram }),
  loop: fc.option(fc.record({
    window_seconds: amount, mean_seconds: amount, p50_seconds: amount, p90_seconds: amount, p99_seconds: amount, max_seconds: amount, utilization_ratio: amount,
  })),
  active_resources: amounts,
});
const lacks = fc.array(fc.string({ maxLength: 500 }).filter((text) => !/\p{Cc}/u.test(text)), { maxLength: 8 });
const frame: fc.Arbitrary<AgentFrame> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), protocol: count, pid: count, node: names, app: names, agent: names, pid_namespace: count, start: count },
    { requiredKeys: ['type', 'protocol', 'pid', 'node', 'app'], noNullPrototype: true }),
  fc.record({ type: fc.constant('beat' as const), n: count, inspector_port: count }, { requiredKeys: ['type', 'n'], noNullPrototype: true }),
  fc.record({ type: fc.constant('stats' as const), n: count, request: count, stats }, { requiredKeys: ['type', 'n', 'stats'], noNullPrototype: true }),
  fc.record({ type: fc.constant('heard' as const), request: count }),
  fc.record({ type: fc.constant('drained' as const), request: count, complete: fc.boolean(), deaf: fc.constantFrom(true, undefined) }),
  fc.record({ type: fc.constant('gathered' as const), request: count, lacks }),
) as fc.Arbitrary<AgentFrame>;

const KEYS = ['type', 'protocol', 'pid', 'node', 'app', 'n', 'stats', 'request', 'gc', 'loop', 'heap_used', 'buckets', 'major', 'lacks', 'complete', 'deaf', '__proto__'];
const TYPES = ['hello', 'beat', 'stats', 'heard', 'drained', 'gathered', 'toString', 'constructor'];

const SAMPLES = fc.sample(frame, { numRuns: 200, seed: 1 }).map((one) => JSON.stringify(one));

function orBad(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof BadFrame, `it threw ${error}`);
    return null;
  }
}

const garbage = fc.array(fc.oneof(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)), damagedText(SAMPLES).map((text) => Buffer.from(`${text}\n`))), {
  minLength: 1, maxLength: 6,
});

const nothing = (): void => {};
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** Says all of it, and resolves when the hub has closed the connection or has had time to. */
function say(path: string, chunks: readonly Buffer[]): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      for (const chunk of chunks) socket.write(chunk);
      socket.end();
    });
    socket.resume().on('error', nothing).once('close', () => resolve());
  });
}

export const agent = [
  target('agent: lines are the same however they arrive', fc.record({
    lines: fc.array(fc.string({ unit: 'binary', maxLength: 40 }), { maxLength: 20 }),
    cuts: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 }),
    maxBytes: fc.integer({ min: 1, max: 100 }),
  }), ({ lines, cuts, maxBytes }) => {
    const bytes = Buffer.from(lines.join('\n'));
    const [whole, pieces] = [new LineReader(maxBytes), new LineReader(maxBytes)];
    const atOnce = whole.push(bytes);
    let bitByBit: string[] | null = [];
    for (let at = 0, i = 0; at < bytes.length && bitByBit; i++) {
      const next = at + cuts[i % cuts.length]!;
      const more = pieces.push(bytes.subarray(at, next));
      bitByBit = more && [...bitByBit, ...more];
      at = next;
    }
    assert.deepEqual(bitByBit, atOnce);
    const isTooLong = bytes.toString('latin1').split('\n').some(({ length }) => length > maxBytes);
    assert.equal(atOnce === null, isTooLong);
  }),
  target('agent: a frame is what was said', frame, (said) => assert.deepEqual(parseAgentFrame(JSON.stringify(said)), JSON.parse(JSON.stringify(said)))),
  target('agent: any line', fc.oneof(anyText, damagedText(SAMPLES)), (line) => void orBad(() => parseAgentFrame(line))),
  target('agent: any JSON', jsonWith(KEYS, TYPES), (value) => void orBad(() => parseAgentFrame(JSON.stringify(value)))),
  target('agent: a hub goes on', fc.array(garbage, { minLength: 1, maxLength: 5 }), async (connections) => {
    const folder = mkdtempSync(join(tmpdir(), 'hw-fuzz-'));
    const path = join(folder, 'agent.sock');
    const hub = new AgentHub({ path, statsIntervalMs: 1000, clock: systemClock, log: silent, pidExists: () => true });
    try {
      await hub.listen();
      await Promise.all(connections.map((chunks) => say(path, chunks)));
      const honest = connect(path);
      honest.on('error', nothing).write(`${JSON.stringify({ type: 'hello', protocol: 1, pid: 4711, node: '20.0.0', app: 'shop' })}\n`);
      for (const end = Date.now() + 900; !hub.report(4711) && Date.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 1));
      assert.equal(hub.report(4711)?.app, 'shop', 'an honest agent is heard');
      honest.destroy();
    } finally {
      await hub.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }),
];
