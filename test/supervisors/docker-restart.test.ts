import t from 'tap';
import { systemClock } from '../../src/clock.js';
import type { Drained, ProcessTable } from '../../src/supervisors/contract.js';
import { parseContainer } from '../../src/supervisors/docker-container.js';
import type { DockerEngine } from '../../src/supervisors/docker-engine.js';
import { restartContainer } from '../../src/supervisors/docker-restart.js';
import { memoryLog, stopFirst } from './options.js';

/** A graceful restart of process 55, with another one below it; they have gone when Docker is asked. */
function graceful(closing: AbortController, onLook = () => {}) {
  const told: string[] = [];
  const container = parseContainer({ Id: 'c0ffee', Name: '/shop', State: { Status: 'running', Pid: 56 } })!;
  const root = { pid: 55, start: 1 };
  const identify = async () => {
    onLook();
    return told.includes('restart') ? null : root;
  };
  const engine = {
    timeoutMs: 1000,
    post: async (_path: string, _what: string, { signal }: { signal?: AbortSignal }) => {
      signal?.throwIfAborted();
      told.push('restart');
    },
    getBytes: async () => null,
  } as unknown as DockerEngine;
  const drain = ({ pid }: { pid: number }) => {
    told.push(`drain ${pid}`);
    setImmediate(() => closing.abort(new Error('heapwarden closes')));
    return new Promise<Drained>(() => {}); // its requests take longer
  };
  const inspect = async (_id: string, signal?: AbortSignal) => {
    signal?.throwIfAborted();
    return container;
  };
  const processes = { identify, tree: async () => [root, { pid: 57, start: 2 }] } as unknown as ProcessTable;
  const parts = { app: 'shop', engine, processes, drain, clock: systemClock, log: memoryLog(), inspect, asksHealth: () => true };
  const options = stopFirst({ stopTimeoutMs: 60_000, signal: closing.signal, mode: 'graceful' });
  return { told, restart: restartContainer(container, 55, options, parts) };
}

t.test('heapwarden closes while a container is drained: it would serve nobody any more, and is replaced', async (t) => {
  const { told, restart } = graceful(new AbortController());
  await t.rejects(restart, { message: 'heapwarden closes' }, 'what came of it the next heapwarden looks at');
  t.strictSame(told, ['drain 55', 'drain 57', 'restart']);
});

t.test('heapwarden closes just before: nothing is drained', async (t) => {
  const closing = new AbortController();
  const { told, restart } = graceful(closing, () => closing.abort(new Error('heapwarden closes')));
  await t.rejects(restart, { message: 'heapwarden closes' });
  t.strictSame(told, []);
});
