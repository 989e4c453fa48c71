/** The words of an advice, and what it is judged by. */
import type { AppConfig } from '../config/schema.js';
import { SERIES_DEFAULTS, type History, type SeriesOptions } from '../observe/series.js';
import type { WorkerState } from '../observe/tracker.js';
import type { RestartReason } from './decision.js';
import type { Footing } from './footing.js';
import type { Outlook } from './forecast.js';
import { LEAK_DEFAULTS, type LeakSettings } from './leak.js';

/** The figures of each advice: bytes, seconds, and shares from 0 to 1. */
export interface FiguresOf {
  /** No process runs. */
  not_running: Record<string, never>;
  /** Nobody tells of its heap. */
  no_agent: Record<string, never>;
  /** It has not been measured for long enough to tell a leak. */
  too_early: { uptime_seconds: number; trend_after_seconds: number };
  leak: { class: string; bytes_per_second: number; confidence: number; forecast_seconds: number | null };
  /** Of its last restart for memory; too early to tell whether the process that runs now leaks as well. */
  leaked_before: { incident: string };
  /** What the evidence of its last restart for memory came to. */
  suspect: { incident: string };
  /** How often its memory makes a restart necessary: by its `restarts`, or by its `trend`. */
  restart_interval: { by: 'restarts' | 'trend'; seconds: number; restarts: number; bytes_per_second: number | null };
  /** V8 may let garbage grow beyond the restart limit. */
  heap_limit_above_rss_limit: HeapLimits & { rss_limit_bytes: number };
  /** What lives nearly fills the heap. */
  heap_limit_too_low: HeapLimits & { heap_live_bytes: number; gc_ratio: number | null };
  /** Garbage and reserve that a lower heap limit would do without: between these two. */
  heap_limit_lower: HeapLimits & {
    heap_live_bytes: number;
    heap_reserved_bytes: number;
    saved_least_bytes: number;
    saved_most_bytes: number;
  };
  no_rss_limit: Seen & { suggested_bytes: number };
  /** What it needs anyway is at its restart limit. */
  rss_limit_too_low: Seen & { rss_limit_bytes: number; suggested_bytes: number };
  /** A leak would go unnoticed for long. */
  rss_limit_too_high: Seen & { rss_limit_bytes: number; suggested_bytes: number };
  no_leak: Seen;
}

export interface HeapLimits {
  heap_limit_bytes: number;
  /** For `--max-old-space-size`. */
  suggested_old_space_bytes: number;
}

export interface Seen {
  baseline_bytes: number;
  most_bytes: number;
}

export type AdviceCode = keyof FiguresOf;

interface Told<C extends AdviceCode> {
  code: C;
  figures: FiguresOf[C];
  /** The time over which the figures were measured; 0: by one look. */
  measuredMs: number;
  /** What was measured, as a sentence without subject and end; the subject is the worker. */
  sentence: string;
  /** What to do about it; null where there is nothing to do. */
  change: string | null;
}

/** About one worker. */
export type Finding = { [C in AdviceCode]: Told<C> }[AdviceCode];
/** About the first of these workers; the others have the same, more or less. */
export type Advice = Finding & { workers: string[] };

/** A restart that was carried out. */
export interface PastRestart {
  id: string;
  worker: string;
  /** Milliseconds since the epoch. */
  atMs: number;
  asked: RestartReason;
  /** Age of the process; null where it is not known. */
  ranMs: number | null;
  beforeBytes: number | null;
  afterBytes: number | null;
  /** What leaked then, in a clause; null where nothing did for certain, or it is not known. */
  leak: string | null;
  /** Of its evidence. */
  finding: string | null;
  folder: string | null;
}

export interface WorkerFacts {
  state: WorkerState;
  history: History | null;
  /** Newest first. */
  restarts: readonly PastRestart[];
}

/** How long it takes until something is believed. */
export interface Pace {
  series: SeriesOptions;
  leak: LeakSettings;
}

export const PACE_DEFAULTS: Pace = { series: SERIES_DEFAULTS, leak: LEAK_DEFAULTS };

/** What is known of one worker while it is judged. */
export interface Given extends WorkerFacts {
  app: AppConfig;
  footing: Footing;
  /** null before anything has been measured. */
  outlook: Outlook | null;
  pace: Pace;
  nowMs: number;
}
