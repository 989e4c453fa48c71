/**
 * What agent and warden say to each other: one JSON object a line (UTF-8, at most 64 KiB), over a Unix socket or a
 * named pipe. Unknown types and keys are ignored on both sides, so that old agents and new wardens get along.
 */

export const PROTOCOL_VERSION = 1;
/** The package's version, here so that an app need not read package.json for it; a test holds the two together. */
export const AGENT_VERSION = '0.1.0';
export const MAX_FRAME_BYTES = 65_536;
/** Characters of an app's name; the config's bound (config/schema.ts). */
export const MAX_APP_NAME = 200;

/** Upper bounds of the GC histogram's buckets, in seconds; prom-client's own for nodejs_gc_duration_seconds. */
export const GC_BUCKETS_SECONDS = [0.001, 0.01, 0.1, 1, 2, 5] as const;

export type GcKind = 'major' | 'minor' | 'incremental' | 'weakcb';

/**
 * Cumulative since the process started. `buckets[i]` counts GCs of at most GC_BUCKETS_SECONDS[i] (cumulative, as
 * Prometheus has it).
 */
export interface GcHistogram {
  count: number;
  sum_seconds: number;
  buckets: number[];
}

/** Event-loop delay over the agent's last whole window, the timer's resolution subtracted. */
export interface LoopWindow {
  window_seconds: number;
  mean_seconds: number;
  p50_seconds: number;
  p90_seconds: number;
  p99_seconds: number;
  max_seconds: number;
  /** Share of the window in which the loop was busy, 0 to 1. */
  utilization_ratio: number;
}

/** All sizes in bytes. */
export interface RuntimeStats {
  heap_used: number;
  heap_total: number;
  heap_limit: number;
  /** Heap used right after the last major GC (bound: see gc.cts); null before the first one. */
  heap_live: number | null;
  external: number;
  array_buffers: number;
  /** Used bytes by V8 heap space (`old`, `new`, `large_object`, …, without the `_space` suffix). */
  heap_spaces: Record<string, number>;
  gc: Record<GcKind, GcHistogram>;
  /** null before the first window has ended, or where the last one has no sample. */
  loop: LoopWindow | null;
  /** Active resources that keep the loop alive, by type (process.getActiveResourcesInfo). */
  active_resources: Record<string, number>;
}

/**
 * What an agent can write of its process, by file; what each holds stands in evidence.cts. In the order in which they
 * are made: what the report allocates is not to be in the profile.
 */
export const EVIDENCE_FILES = ['allocations.heapprofile', 'report.json', 'heap.heapsnapshot'] as const;
export type EvidenceFile = (typeof EVIDENCE_FILES)[number];

/** Sentences on what could not be had: at most so many, of so many characters each. */
export const MAX_LACKS = 8;
export const MAX_LACK_LENGTH = 500;

/** The first frame of a connection. */
export interface HelloFrame {
  type: 'hello';
  protocol: number;
  pid: number;
  /** process.version without the `v`. */
  node: string;
  /** What the app is called where no config names it: HEAPWARDEN_APP, else PM2's, npm's or the script's name. */
  app: string;
  /** AGENT_VERSION; agents from before it was told lack it. */
  agent?: string;
  /** Linux: which pid namespace `pid` belongs to, by its inode (namespaces(7)); each container has its own. */
  pid_namespace?: number;
  /** Linux: when this process started, in clock ticks since boot (field 22 of /proc/PID/stat). */
  start?: number;
  /** It has closed its servers since a warden asked it to drain, which cannot be taken back. */
  draining?: true;
}

export type AgentFrame =
  | HelloFrame
  /** The loop has turned. `n` counts a connection's beats and stats, from 1. `inspector_port`: while it is open. */
  | { type: 'beat'; n: number; inspector_port?: number }
  /** `request` echoes the newest `sample` frame that this answers; older ones are answered with it. */
  | { type: 'stats'; n: number; request?: number; stats: RuntimeStats }
  /** The `drain`, `arm`, `profile`, `collect` or `gather` of this number has been read: no frozen process says so. */
  | { type: 'heard'; request: number }
  /**
   * The end of a drain: `complete` where no connection was left; else its time was over, or it may not know of all.
   * `deaf` where it has closed a server: from then on it took no new ones.
   */
  | { type: 'drained'; request: number; complete: boolean; deaf?: true }
  /** The end of a gather: what is not in the folder now, and why, in a sentence each. */
  | { type: 'gathered'; request: number; lacks: string[] };

export type WardenFrame =
  | { type: 'welcome'; protocol: number; stats_interval_ms: number }
  /**
   * Frames up to `n` have been read. An agent with too many unread frames stops sending, so that a stuck warden never
   * holds an app.
   */
  | { type: 'ack'; n: number }
  /** Asks for stats now. */
  | { type: 'sample'; request: number }
  /** Asks to take no new connections, and to finish the requests that have begun within `timeout_ms`. */
  | { type: 'drain'; request: number; timeout_ms: number }
  /** Asks for the same, but only when a stop signal comes on which the app does nothing of its own. */
  | { type: 'arm'; request: number; timeout_ms: number }
  /** Asks to sample allocations from now on, or no more. */
  | { type: 'profile'; request: number; on: boolean }
  /** Asks to have V8 collect garbage soon, so that `heap_live` is known as of now. */
  | { type: 'collect'; request: number }
  /** Asks to write these files into a folder, in this order, each under another name until it is whole. */
  | { type: 'gather'; request: number; folder: string; files: EvidenceFile[] };
