import t from 'tap';
import { causeOfDeath, mayBeKilled } from '../../src/decide/death.js';

const abort = { code: null, signal: 'SIGABRT' };
const byShell = { code: 134, signal: null };
const killed = { code: null, signal: 'SIGKILL' };
const kill = { pid: 77, cgroup: null };

/** As written by Node 18 to 26 here, but for the paths. */
const V8_WORDS = {
  'at the limit': ['FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory', 'Reached heap limit'],
  'near it': ['FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory', 'Ineffective mark-compacts near heap limit'],
  'the last resort': ['FATAL ERROR: CALL_AND_RETRY_LAST Allocation failed - JavaScript heap out of memory', 'CALL_AND_RETRY_LAST'],
  "with PM2's time": ['2026-11-21T07:22:07: FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory', 'Reached heap limit'],
} as const;

t.test("V8's heap limit: its own words, and its own way to end", async (t) => {
  for (const [name, [line, said]] of Object.entries(V8_WORDS)) {
    const words = `started\n\n<--- Last few GCs --->\n\n[1:0x9] 188 ms: Mark-sweep\n\n${line}\n----- Native stack trace -----\n\n 1: 0xb78db3\n`;
    t.strictSame(causeOfDeath({ ...abort, words }, null), { reason: 'oom_heap', evidence: `V8 said "${said}" and it was ended by SIGABRT` }, name);
    t.strictSame(causeOfDeath({ ...byShell, words }, null)?.evidence, `V8 said "${said}" and it exited with code 134`, `${name}, below a shell`);
    t.equal(causeOfDeath({ code: 0, signal: null, words }, null), null, 'words that the app has printed, and went on');
    t.equal(causeOfDeath({ code: null, signal: null, words }, null), null, 'nobody tells how it ended');
    t.equal(causeOfDeath({ ...killed, words }, kill)?.reason, 'oom_kernel', 'the kernel was faster');
  }
  const trap = "#\n# Fatal JavaScript out of memory: GC during deserialization\n#\n----- Native stack trace -----\n";
  t.strictSame(causeOfDeath({ code: null, signal: 'SIGTRAP', words: trap }, null), { reason: 'oom_heap', evidence: 'V8 said "GC during deserialization" and it was ended by SIGTRAP' });
});

t.test('words that an app has written itself cannot move a cursor', async (t) => {
  const words = 'FATAL ERROR: \x1b[2J\x9b - JavaScript heap out of memory\n';
  t.equal(causeOfDeath({ ...abort, words }, null)?.evidence, 'V8 said "?[2J?" and it was ended by SIGABRT');
});

t.test('what is not certain is not claimed', async (t) => {
  const others = [
    ['', 'no words'],
    ['FATAL ERROR: invalid array length Allocation failed - JavaScript heap out of memory', 'one array that is too large'],
    ['FATAL ERROR: invalid table size Allocation failed - JavaScript heap out of memory', 'one Map that is too large'],
    ['# Fatal process out of memory: Worklist::Segment::Create', "not of V8's heap"],
    ['node::Abort()\nAssertion failed', 'another abort'],
    ['RangeError: Invalid string length', 'an error that is thrown'],
    ['FATAL ERROR: v8::ToLocalChecked Empty MaybeLocal', 'another fatal error'],
  ] as const;
  for (const [words, name] of others) t.equal(causeOfDeath({ ...abort, words }, null), null, name);
  t.equal(causeOfDeath({ ...killed, words: '' }, null), null, 'a kill of which the kernel says nothing');
  t.equal(causeOfDeath({ code: 1, signal: null, words: '' }, kill), null, 'it has ended otherwise');
});

t.test("the kernel's kill, and what says so", async (t) => {
  const words = 'started\n';
  t.strictSame(causeOfDeath({ ...killed, words }, kill), { reason: 'oom_kernel', evidence: "it was ended by SIGKILL, and the kernel's log names process 77" });
  t.strictSame(causeOfDeath({ code: 137, signal: null, words }, { pid: null, cgroup: '/sys/fs/cgroup/a' }), {
    reason: 'oom_kernel',
    evidence: "it exited with code 137, and the count of its cgroup's out-of-memory kills rose (/sys/fs/cgroup/a)",
  });
  t.ok(mayBeKilled(killed));
  t.ok(mayBeKilled({ code: 137, signal: null }));
  t.notOk(mayBeKilled(abort));
  t.notOk(mayBeKilled({ code: null, signal: null }));
});
