import type { Pause } from '../decide/gates.js';

/** What people, releases and the calendar have said of an app, beside its incidents; the journal keeps the latest. */
export interface AppState {
  pause: (Pause & { atMs: number }) | null;
  /** A person's word or a new release: restarts before it say nothing of whether the next one helps. */
  freshSinceMs: number | null;
  /**
   * How far its schedule has been followed, in which time zone, and when it fell due last: null where it never did. Both
   * are absent in records of older versions. That of another expression or zone says nothing of this one.
   */
  schedule: { cron: string; zone?: string; seenMs: number; dueAtMs?: number | null } | null;
}

export const UNTOLD: AppState = { pause: null, freshSinceMs: null, schedule: null };
