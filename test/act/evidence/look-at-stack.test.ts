/** The stack of processes that were not prepared for it, on every Node. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { lookAtStack } from '../../../src/act/evidence/look-at-stack.js';
import { holderOf, type Stack } from '../../../src/act/evidence/stacks.js';
import { Threads } from '../../../src/act/evidence/threads.js';
import { NODE_MAJORS, needParts } from '../../parts/index.js';
import { runApp, type RunningApp } from '../../agent/support.js';
import { appFile } from '../../integration/warden-process.js';
import { listeningOf } from '../../../src/observe/listening.js';
import { processes, until } from '../../observe/support.js';

const FREEZES = { loop: 'spinForEver', regex: 'checkAddress' } as const;
/** Long after its start; the machine may be busy. */
const LOOK_MS = 20_000;

const untilFrozen = (app: RunningApp): Promise<boolean> => until('the freeze', () => app.output().includes('freezes\n'));

/** State 0A of /proc/net/tcp. What a process says of it ("Debugger ending") it does not say while it is frozen. */
const isListenedTo = (port: number): boolean =>
  readFileSync('/proc/net/tcp', 'latin1').includes(`:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A `);

for (const major of NODE_MAJORS) {
  for (const [by, holder] of Object.entries(FREEZES)) {
    t.test(`Node ${major}, frozen by a ${by}`, async (t) => {
      const parts = needParts(t, `node-${major}`);
      if (!parts) return;
      const app = runApp(t, parts[`node-${major}`], [appFile('freezes-by-name.cjs')], { FREEZE_BY: by, FREEZE_AFTER_MS: '1500' });
      await untilFrozen(app);
      const { stacks, lack } = await lookAtStack(app.pid, processes, LOOK_MS);
      t.equal(lack, null);
      t.ok(stacks.length >= 3, `${stacks.length} looks`);
      t.match(holderOf(stacks), { name: holder, file: appFile('freezes-by-name.cjs') });
      const frame = stacks[0]!.find(({ at }: Stack[number]) => at.name === holder)!;
      t.match(frame.types, by === 'loop' ? { secret: 'string', turns: 'number' } : { address: 'string' }, 'types');
      t.notMatch(JSON.stringify(stacks), /hunter2|aaaa/, 'and no values');
      const port = Number(/ws:\/\/127\.0\.0\.1:(\d+)\//.exec(app.output())?.[1]);
      t.ok(port > 0, 'its inspector was open');
      await until('its inspector is closed again', () => !isListenedTo(port)); // the look waits half a second for it at most
      t.equal(app.child.exitCode, null);
    });
  }
}

t.test('a handler far out, below calls of different depth', async (t) => {
  const env = { FREEZE_BY: 'deep', FREEZE_AFTER_MS: '1000' };
  const app = runApp(t, process.execPath, [appFile('freezes-by-name.cjs')], env);
  await untilFrozen(app);
  const { stacks, lack } = await lookAtStack(app.pid, processes, LOOK_MS);
  t.equal(lack, null);
  t.ok(new Set(stacks.map(({ length }) => length)).size > 1, `frames: ${stacks.map(({ length }) => length).join()}`);
  t.match(holderOf(stacks), { name: 'climbForEver', file: appFile('freezes-by-name.cjs') });
});

t.test('one long native call says nothing, and says so', async (t) => {
  const app = runApp(t, process.execPath, [appFile('freezes-by-name.cjs')], { FREEZE_BY: 'native', FREEZE_AFTER_MS: '1000' });
  await untilFrozen(app);
  const startedAt = performance.now();
  const { stacks, lack } = await lookAtStack(app.pid, processes, 1500);
  t.ok(performance.now() - startedAt < 5000);
  t.strictSame(stacks, []);
  t.match(lack, /^Its JavaScript stack could not be had: .*long native call/);
  const threads = new Threads(app.pid);
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.match((await threads.use())?.[0], { id: app.pid, state: 'R' });
});

t.test('broken off, the inspector is closed at once', async (t) => {
  const app = runApp(t, process.execPath, [appFile('freezes-by-name.cjs')], { FREEZE_BY: 'deep', FREEZE_AFTER_MS: '1000' });
  await untilFrozen(app);
  const stop = new AbortController();
  const looking = lookAtStack(app.pid, processes, 60_000, stop.signal);
  while ((await listeningOf(app.pid)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  stop.abort();
  const { stacks } = await looking;
  t.ok(stacks.length < 8, `${stacks.length} looks`);
  await until('its inspector is closed again', async () => (await listeningOf(app.pid)).length === 0);
});

t.test('a process that has gone', async (t) => {
  const app = runApp(t, process.execPath, ['-e', ''], {});
  await app.exited;
  const { stacks, lack } = await lookAtStack(app.pid, processes, 1000);
  t.strictSame(stacks, []);
  t.match(lack, /no such process/);
  t.equal(await new Threads(app.pid).use(), null);
});

t.test('what a process calls its thread cannot move a cursor', async (t) => {
  const { title } = process;
  t.teardown(() => void (process.title = title));
  process.title = 'a\x1b[2Jb';
  t.equal((await new Threads(process.pid).use())?.[0]?.name, 'a?[2Jb');
});
