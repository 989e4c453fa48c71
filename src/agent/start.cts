import type { AgentSource } from './connection.cjs';
import { hello } from './hello.cjs';
import { Link } from './link.cjs';
import { createMeter } from './meter.cjs';
import { socketPaths } from './paths.cjs';
import { Servers } from './servers.cjs';
import type { SharedPort } from './shared-port.cjs';
import { Threads } from './threads.cjs';

/** What an agent that was loaded later is told, instead of by the environment, which the app's children inherit. */
export interface Told {
  /** What the app is called; else as ever. */
  app?: string | undefined;
  /** Where the warden listens; else as ever. */
  socket?: string | undefined;
}

/** Measures this process and reports to the warden for as long as the process lives. */
export function start(told?: Told): void {
  const { app, socket } = told ?? {};
  const servers = new Servers({ isLate: told !== undefined });
  servers.watch(inheritedPort());
  const threads = new Threads();
  const meter = createMeter();
  const drainage = once(() => {
    const { Drainage } = require('./drain.cjs') as typeof import('./drain.cjs');
    return new Drainage(servers);
  });
  const signals = once(() => {
    const { StopSignals } = require('./signals.cjs') as typeof import('./signals.cjs');
    return new StopSignals(drainage());
  });
  const evidence = once(() => {
    const { Evidence } = require('./evidence.cjs') as typeof import('./evidence.cjs');
    return new Evidence(threads);
  });
  let wasProfiled = false;
  let isDeaf = false;
  const source: AgentSource = {
    hello: () => ({ ...hello(app), ...(isDeaf ? { draining: true } : {}) }),
    stats: () => meter.read(),
    drain: (timeoutMs) => {
      const done = drainage().drain(timeoutMs);
      ({ isDeaf } = drainage());
      return done;
    },
    isDeaf: () => isDeaf,
    arm: (timeoutMs) => signals().arm(timeoutMs),
    profile: (on) => {
      if (on || wasProfiled) evidence().profile(on);
      wasProfiled ||= on;
    },
    collect: () => {
      const { collectGarbageSoon } = require('./collect.cjs') as typeof import('./collect.cjs');
      collectGarbageSoon();
    },
    gather: (folder, files) => evidence().gather(folder, files),
  };
  new Link(source, socket === undefined ? socketPaths : () => [socket]).open();
}

// Most apps never need them, and loading a file costs every start of an app about half a millisecond.
function inheritedPort(): SharedPort | null {
  if (process.env['HEAPWARDEN_LISTEN'] === undefined) return null;
  const { SharedPort } = require('./shared-port.cjs') as typeof import('./shared-port.cjs');
  return SharedPort.inherit(process.env);
}

function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
