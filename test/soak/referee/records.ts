/**
 * What the referee goes by. All times are milliseconds of the machine's monotonic clock (CLOCK_MONOTONIC), which every
 * process here reads alike and nobody moves.
 *
 * Nothing in this folder may import from src/: who judges a program must not think with its head.
 */

/** What was promised: the warden's config in the referee's words, written by the soak before it starts. */
export interface Rules {
  sampleIntervalMs: number;
  /** How long a breach may outlast its `for` before heapwarden steps in (`trigger: both`); else 0. */
  fallbackMs: number;
  cooldownMs: number;
  rssLimitBytes: number;
  rssForMs: number;
  freezeLimitMs: number;
  /** The warden's memory and descriptors must never pass these. */
  wardenMostBytes: number;
  wardenMostFds: number;
  apps: { name: string; supervisor: 'child' | 'pm2' }[];
}

export interface Span {
  from: number;
  to: number;
}

/** What was done to the warden; a span is `open` (to Infinity) until it is over. */
export interface Chaos {
  /** Dead, until the next one was ready. */
  down: Span[];
  /** Its disk had no room. */
  full: Span[];
  /** Its clock was set to be so far ahead of the real one. */
  clock: { at: number; aheadMs: number }[];
  /** The soak was over: from here on everything is being stopped. */
  endedAt: number;
}

/** One process of one worker, from /proc and its own log. */
export interface Life {
  app: string;
  worker: string;
  pid: number;
  /** Clock ticks since boot: with the pid, the process's name for ever. */
  start: number;
  from: number;
  /** When it was first seen to have gone; null: it was still there at the end. */
  to: number | null;
  /** When it announced that it would end by itself; null where it did not. */
  goesAt: number | null;
  /** Its resident memory was at or above the limit at each look between. */
  over: Span[];
  /** Its loop did not turn: from its last turn to the next one, where that took more than a second. */
  still: Span[];
}

/** A line of the journal, and when the referee first saw it. */
export interface Restart {
  id: string;
  app: string;
  worker: string;
  asked: string;
  before: { pid: number; start: number } | null;
  seenAt: number;
  /** null while it is open. */
  result: string | null;
  doneAt: number | null;
}

export interface Refusal {
  app: string;
  worker: string;
  asked: string;
  reason: string;
  before: { pid: number; start: number } | null;
  seenAt: number;
}

export interface Journal {
  restarts: Restart[];
  refusals: Refusal[];
  /** Ids that one and the same file held more than once. */
  doubled: string[];
  /** Lines of the file, as it was at the end, that are no JSON. */
  damaged: number;
}

export interface WardenLook {
  at: number;
  pid: number;
  rssBytes: number;
  /** Without connections that stand: descriptors.ts. */
  fds: number;
}

export interface Records {
  rules: Rules;
  chaos: Chaos;
  lives: Life[];
  journal: Journal;
  warden: WardenLook[];
  /** The referee itself could not look: the machine was starved. Such spells excuse nobody's memory, but silences. */
  blind: Span[];
}

export interface Finding {
  check: string;
  /** How many cases the check has looked at. */
  cases: number;
  violations: string[];
  /** There was too little to go by. */
  isOpen?: true;
  /** What was seen, in a few words. */
  seen: string;
}
