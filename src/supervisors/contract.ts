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
  /** Processes of this user that were started with this variable, `NAME=value`; absent where the system does not tell. */
  startedWith?(variable: string): Promise<ProcessId[]>;
}

/** A process and what it takes to know whose it is. */
export interface SeenProcess extends ProcessId {
  parent: number;
  /** Milliseconds since the Unix epoch. */
  startedAtMs: number;
}

/** How processes are found that nobody names; observe/ provides it. */
export interface ProcessFinder {
  /** All processes that can be seen, by pid. */
  processes(): Promise<ReadonlyMap<number, SeenProcess>>;
  /** The same with their command lines, read after that: the arguments joined by spaces; null where it has or shows none. */
  withCommandLines(): Promise<ReadonlyMap<number, SeenProcess & { commandLine: string | null }>>;
  /**
   * Who holds the sockets that listen on a TCP port of this machine (or container). `hidden`: at least one of these is
   * held by nobody who can be looked into. `likely` is asked first, as all others cost more.
   */
  listenersOn(port: number, likely: readonly number[]): Promise<{ pids: number[]; hidden: boolean }>;
}

export type SupervisorKind = 'child' | 'pm2' | 'systemd' | 'docker' | 'external';

/** `crash_loop`: the supervisor has given up starting it. */
export type SlotState = 'running' | 'starting' | 'stopped' | 'crash_loop';

/** A stable place of an app; the process in it changes. */
export interface Slot {
  worker: string;
  pid: number | null;
  state: SlotState;
  /** Pids of the worker's processes that do not descend from `pid`, as daemons of a systemd unit: they count with it. */
  others?: readonly number[];
}

export interface RestartOptions {
  /** Milliseconds from the stop signal to SIGKILL. */
  stopTimeoutMs: number;
  /** `graceful`: the new process before the old one is stopped, where this supervisor can; else it stops first. */
  mode: 'graceful' | 'stop_first';
  /**
   * Waits until this very process is ready; false where it is not in time. For a supervisor that starts the new process
   * first: while both run, only what can be asked of the new one alone means anything.
   */
  isReady(process: ReadyTarget): Promise<boolean>;
  /** Aborts the waiting, not what has been done already. */
  signal: AbortSignal;
}

/**
 * How the old process went: `killed` where it, or one below it (a wrapper's real server), outlived its stop timeout,
 * `gone` where it had ended already.
 */
export const STOP_OUTCOMES = ['exited', 'killed', 'gone'] as const;
export type StopOutcome = (typeof STOP_OUTCOMES)[number];

/** How the command went that was to restart an external app. */
export interface CommandReport {
  /** Exit status; null where a signal ended it, or it could not be started. */
  status: number | null;
  /** The signal that ended it. */
  signal: string | null;
  /** It was stopped, having run for longer than it may. */
  timedOut: boolean;
  tookMs: number;
  /** The last lines that it wrote, to stdout and stderr as they came: at most 10, and 2000 characters. */
  output: string;
}

export interface RestartReport {
  stop: StopOutcome;
  /** Pid of the new process, or null where the supervisor has not named one yet. */
  pid: number | null;
  /**
   * By the clock that never jumps, when the old process had gone, or is known to have taken no connections any more; null
   * where the new one was ready before that.
   */
  goneAt: number | null;
  /** Whether the new process is known to be ready, or not to have become so in time; null: nobody has asked yet. */
  ready: boolean | null;
  /** Only where a command of the config did it. */
  command?: CommandReport;
}

export interface ReadyTarget {
  process: ProcessId;
  /** A Unix socket on which this process alone answers; null where it is only to be reached as its users do. */
  socketPath: string | null;
}

/** Asks the agent inside a process to take no new connections and to finish the requests it has. observe/ provides it. */
export type Drain = (process: ProcessId, timeoutMs: number) => Promise<Drained>;

export interface Drained {
  /** False where there is no agent, it does not answer, it may not know of all, or `timeoutMs` have gone by. */
  complete: boolean;
  /** It is known to have closed a server, at the beginning; nobody takes that back. */
  deaf: boolean;
}

/** The end of a worker's process that heapwarden had not asked for. */
export interface Ending {
  worker: string;
  pid: number;
  /** Milliseconds since the epoch, when it ended or was found to have. */
  atMs: number;
  /** Both are null where its owner does not tell. */
  code: number | null;
  signal: string | null;
  /** The last that it and those below it wrote, at most some kilobytes; '' where its owner does not tell. */
  words: string;
}

/** How a worker's process has ended. */
export interface Death {
  /** `oom_kernel`: the kernel killed it for want of memory. `oom_heap`: V8 gave up at its heap limit. */
  cause: 'oom_kernel' | 'oom_heap' | 'other';
  /** Milliseconds since the Unix epoch. */
  atMs: number;
  /** For people: what is known of it, in a sentence. */
  detail: string;
}

export interface Supervisor {
  readonly kind: SupervisorKind;
  /** Begins to supervise: for `child`, starts the processes. Resolves when every slot is known. */
  start(): Promise<void>;
  /** Every slot of the app. Throws HeapwardenError SUPERVISOR_UNREACHABLE where the owner does not answer. */
  slots(): Promise<Slot[]>;
  /** Pids of the app's processes that hold no slot, as those of a restart under way; as of the last `slots()`. */
  beside?(): readonly number[];
  /** What has ended since this was last asked, oldest first. Never rejects. */
  endings?(): Promise<Ending[]>;
  /**
   * Replaces the process of one slot. Throws HeapwardenError SUPERVISOR_UNREACHABLE, SUPERVISOR_REFUSED or
   * UNKNOWN_WORKER; NOT_READY where the new process did not come up beside the old one, which then still runs;
   * SUPERVISOR_CLOSED where this was closed before that.
   */
  restart(worker: string, options: RestartOptions): Promise<RestartReport>;
  /** How a worker's process has last ended; null where none has, as far as is known. As of the last `slots()`. */
  lastDeath?(worker: string): Death | null;
  /** Lets go of everything held; `child` stops its processes. */
  close(): Promise<void>;
}
