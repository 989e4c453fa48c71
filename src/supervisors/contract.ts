/** The contract between the warden and whatever owns a process. */

/** A process that cannot be mistaken for a later one with the same pid. */
export interface ProcessId {
  pid: number;
  /** Start time in an exact, platform-own unit: clock ticks since boot on Linux (field 22 of /proc/PID/stat). */
  start: number;
}

/** How supervisors look at the machine's processes; observe/ provides it. */
export interface ProcessTable {
  /** The process that holds this pid now, or null where there is none (a zombie counts as none). */
  identify(pid: number): Promise<ProcessId | null>;
  /** The process and its live descendants, root first; empty where it has gone. */
  tree(root: ProcessId): Promise<ProcessId[]>;
}

export type SupervisorKind = 'child' | 'pm2' | 'systemd' | 'docker' | 'external';

/** `crash_loop`: the supervisor has given up starting it. */
export type SlotState = 'running' | 'starting' | 'stopped' | 'crash_loop';

/** A stable place of an app; the process in it changes. */
export interface Slot {
  worker: string;
  pid: number | null;
  state: SlotState;
}

export interface RestartOptions {
  /** Milliseconds from the stop signal to SIGKILL. */
  stopTimeoutMs: number;
  /** Aborts the waiting, not what has been done already. */
  signal: AbortSignal;
}

/** How the old process went: `killed` where it outlived its stop timeout, `gone` where it had ended already. */
export type StopOutcome = 'exited' | 'killed' | 'gone';

export interface RestartReport {
  stop: StopOutcome;
  /** Pid of the new process, or null where the supervisor has not named one yet. */
  pid: number | null;
}

export interface Supervisor {
  readonly kind: SupervisorKind;
  /** Begins to supervise: for `child`, starts the processes. Resolves when every slot is known. */
  start(): Promise<void>;
  /** Every slot of the app. Throws HeapwardenError SUPERVISOR_UNREACHABLE where the owner does not answer. */
  slots(): Promise<Slot[]>;
  /** Replaces the process of one slot. Throws HeapwardenError SUPERVISOR_UNREACHABLE, SUPERVISOR_REFUSED or UNKNOWN_WORKER. */
  restart(worker: string, options: RestartOptions): Promise<RestartReport>;
  /** Lets go of everything held; `child` stops its processes. */
  close(): Promise<void>;
}
