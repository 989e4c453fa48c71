import { startInBoth, startInHeapwarden, startInPm2, type AppSetup, type BenchApp } from './apps.js';

/** What a contestant must show: `yardstick` is what others are compared with. */
export type Role = 'yardstick' | 'promise' | 'shown';

export interface Contestant {
  name: string;
  role: Role;
  start(setup: Pick<AppSetup, 'scope' | 'pm2Program'>): Promise<BenchApp>;
}

/** One that is to notice by itself that the app is above its limit. */
export interface TimedContestant extends Contestant {
  /** Milliseconds between its looks. */
  looksEveryMs: number;
}

export const LIMIT_MIB = 100;

const byLimit = { limitMib: LIMIT_MIB, mode: 'stop_first', execMode: 'fork', manners: 'plain' } as const;

export const TIMED: readonly TimedContestant[] = [
  {
    name: 'PM2 fork, max_memory_restart',
    role: 'yardstick',
    looksEveryMs: 30_000, // WORKER_INTERVAL in PM2's constants.js
    start: (setup) => startInPm2({ ...setup, ...byLimit }),
  },
  {
    name: 'heapwarden child, stop_first',
    role: 'promise',
    looksEveryMs: 1000,
    start: (setup) => startInHeapwarden({ ...setup, ...byLimit }),
  },
  {
    name: 'heapwarden over PM2 fork',
    role: 'shown',
    looksEveryMs: 1000,
    start: (setup) => startInBoth({ ...setup, ...byLimit }),
  },
];

const fork = { limitMib: null, mode: 'stop_first', execMode: 'fork', manners: 'plain' } as const;
const graceful = { limitMib: null, mode: 'graceful', execMode: 'cluster', manners: 'plain' } as const;
const polite = { ...graceful, manners: 'polite' } as const;

export const LOADED: readonly Contestant[] = [
  { name: 'PM2 fork, restart', role: 'shown', start: (setup) => startInPm2({ ...setup, ...fork }) },
  { name: 'PM2 cluster of 2, reload', role: 'shown', start: (setup) => startInPm2({ ...setup, ...graceful }) },
  { name: 'PM2 cluster of 2, reload, polite app', role: 'shown', start: (setup) => startInPm2({ ...setup, ...polite }) },
  { name: 'heapwarden child, graceful', role: 'promise', start: (setup) => startInHeapwarden({ ...setup, ...graceful }) },
  {
    name: 'heapwarden child, graceful, polite app',
    role: 'promise',
    start: (setup) => startInHeapwarden({ ...setup, ...polite }),
  },
  { name: 'heapwarden over PM2 cluster of 2', role: 'promise', start: (setup) => startInBoth({ ...setup, ...graceful }) },
  {
    name: 'heapwarden over PM2 cluster of 2, polite app',
    role: 'promise',
    start: (setup) => startInBoth({ ...setup, ...polite }),
  },
];
