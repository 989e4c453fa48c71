/** The programs of the lab and the truth about each. What they have in common is in service.cjs. */
import type { LeakClass } from '../../../src/decide/leak.js';

interface Program {
  /** Without `.cjs`. */
  file: string;
}

export interface LeakProgram extends Program {
  class: LeakClass;
  /**
   * The function that makes what is kept, or, as no memory of its own is in the heap, null: V8's profiler sees the heap
   * alone.
   */
  guilty: string | null;
}

export interface HealthyProgram extends Program {
  /** What it looks like. */
  looks: string;
  /** How many times faster than the others its clock goes, so that it shows all of it. */
  haste?: number;
}

export interface FrozenProgram extends Program {
  /** What holds the event loop: JavaScript and regular expressions can be interrupted, a long native call cannot. */
  by: 'javascript' | 'regex' | 'native' | 'gc';
  guilty: string;
  args?: readonly string[];
}

export const LEAKS: readonly LeakProgram[] = [
  { file: 'map-never-cleared', class: 'heap', guilty: 'rememberSession' },
  { file: 'closure-chain', class: 'heap', guilty: 'wrapHandler' },
  { file: 'listeners-pile-up', class: 'heap', guilty: 'followPrices' },
  { file: 'timers-pile-up', class: 'heap', guilty: 'pollDelivery' },
  { file: 'promise-never-settles', class: 'heap', guilty: 'awaitStock' },
  { file: 'errors-kept', class: 'heap', guilty: 'recordFailure' },
  { file: 'memo-without-bound', class: 'heap', guilty: 'memoizedQuote' },
  { file: 'registry-of-instances', class: 'heap', guilty: 'Checkout' },
  { file: 'queue-not-drained', class: 'heap', guilty: 'enqueueMails' },
  { file: 'history-without-end', class: 'heap', guilty: 'saveState' },
  // Who makes the page is not who keeps it, and the profiler knows the former.
  { file: 'sliced-strings', class: 'heap', guilty: 'rememberTitle' },
  { file: 'sockets-not-closed', class: 'heap', guilty: 'openFeed' },
  { file: 'buffers-kept', class: 'buffers', guilty: null },
  { file: 'native-contexts', class: 'native', guilty: null },
  { file: 'workers-not-ended', class: 'native', guilty: null },
  { file: 'child-leaks', class: 'children', guilty: null },
];

export const HEALTHY: readonly HealthyProgram[] = [
  { file: 'cache-levels-off', looks: 'a cache of 20 MB that fills for 1.5 h' },
  { file: 'sawtooth', looks: 'gathers 30 MB in 20 min, then drops it' },
  { file: 'startup-ramp', looks: 'grows for its first 8 min' },
  { file: 'daily-wave', looks: '20 MB that come and go with the day', haste: 8 },
  { file: 'deploy-step', looks: 'a step by 30 MB after 1.6 h' },
];

export const FROZEN: readonly FrozenProgram[] = [
  { file: 'while-true', by: 'javascript', guilty: 'nextFreeSlot' },
  { file: 'catastrophic-regex', by: 'regex', guilty: 'isListOfNames' },
  { file: 'sync-crypto', by: 'native', guilty: 'hashPassword' },
  { file: 'huge-json', by: 'native', guilty: 'importExport' },
  { file: 'gc-thrash', by: 'gc', guilty: 'rebuildIndex', args: ['--max-old-space-size=96'] },
];
