import { createServer, type Server } from 'node:net';
import type { HelloFrame } from '../agent/protocol.cjs';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import { SparseLog } from '../sparse-log.js';
import type { Drained } from '../supervisors/contract.js';
import { NOT_DRAINED } from '../supervisors/drain.js';
import { AgentConnection, type AgentReport, type GatherOrder, type Introduction } from './agent-connection.js';
import { BadFrame } from './agent-frames.js';
import { listenOnSocket } from './agent-socket.js';
import { ownPidNamespace, startOf, type NestedProcess, type Stranger } from './inner-pid.js';
import { Strangers } from './strangers.js';

export type { AgentReport, GatherOrder } from './agent-connection.js';

const MAX_CONNECTIONS = 10_000;
/** Connections that have not said who they are; one more ends the oldest of them. */
const MAX_SILENT = 500;
/** Milliseconds in which a connection of a process that connects anew is seen to have ended: both may be news at once. */
const LAST_CLOSE_MS = 250;
/** Stats are out of date after so many intervals without new ones, and a moment for a busy loop. */
const STALE_INTERVALS = 3;
const STALE_MARGIN_MS = 1000;

export interface AgentHubOptions {
  /** A Unix socket's path, or a named pipe's on Windows. */
  path: string;
  /** Id of a group whose users' agents may report, too; by default only this user's and root's. */
  group?: number | undefined;
  statsIntervalMs: number;
  clock: Clock;
  log: Log;
  /** Whether a process of this machine has this pid; an agent that claims another is refused. */
  pidExists?: (pid: number) => boolean;
  /** The processes here that have a pid namespace of their own; by default /proc is searched. */
  nestedProcesses?: () => Promise<NestedProcess[]>;
  maxConnections?: number;
  /** When a process started, as a HelloFrame has it; null where that cannot be seen. By default /proc is asked. */
  startOf?: (pid: number) => Promise<number | null>;
  /** Until when the warden itself could not hear, by `clock.monotonic()`. */
  deafUntil?: () => number;
}

/**
 * Where agents report in. Whatever one of them says, it can harm nothing but its own connection. What of a claim to be a
 * pid is checked: that process exists, has started when it says so (an agent since 0.1 does, on Linux), and no other
 * connection speaks for it that knows as much. One that gives no start time, as agents cannot that may not read /proc,
 * speaks until one comes that does. Node.js has no SO_PEERCRED: whoever may connect, says when a process started, and
 * does so before its own agent, is believed to be it; what it then says counts for that process alone, and only if it
 * is in a worker's tree.
 */
export class AgentHub {
  readonly #options: AgentHubOptions;
  readonly #pidExists: (pid: number) => boolean;
  readonly #server: Server;
  readonly #connections = new Set<AgentConnection>();
  readonly #log: SparseLog;
  readonly #strangers: Strangers;
  readonly #byPid = new Map<number, AgentConnection>();
  /** When the process started that an agent speaks for, where that was seen to be as the agent says. */
  readonly #starts = new WeakMap<AgentConnection, number>();
  /** null where the system has none. */
  #pidNamespace: number | null = null;
  #statsIntervalMs: number;
  #full = false;

  constructor(options: AgentHubOptions) {
    this.#options = options;
    this.#pidExists = options.pidExists ?? processExists;
    this.#statsIntervalMs = options.statsIntervalMs;
    this.#log = new SparseLog(options.log);
    this.#strangers = new Strangers(options.clock, options.nestedProcesses);
    this.#server = createServer((socket) => {
      this.#full = false;
      this.#makeRoom();
      this.#connections.add(
        new AgentConnection(socket, options.clock, {
          hello: (connection, hello) => this.#welcome(connection, hello),
          bad: (connection, why) => this.#complain(connection, why),
          closed: (connection) => this.#forget(connection),
        }),
      );
    });
    this.#server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
    this.#server.on('drop', () => this.#refuse());
  }

  /** Throws HeapwardenError SOCKET_IN_USE or STATE_UNWRITABLE. */
  async listen(): Promise<void> {
    const { path, group, log } = this.#options;
    this.#pidNamespace = await ownPidNamespace();
    for (const warning of await listenOnSocket(this.#server, path, group)) log.warn(warning);
    this.#server.on('error', (error) => log.error(`the agent socket ${path} failed: ${error.message}`));
  }

  /** Tells the connected agents, and those to come, how often to send stats. */
  setStatsInterval(ms: number): void {
    this.#statsIntervalMs = ms;
    for (const connection of this.#byPid.values()) connection.welcome(ms);
  }

  /** Null where no agent of this process is connected. */
  report(pid: number): AgentReport | null {
    const report = this.#byPid.get(pid)?.report;
    return report ? this.#asOfNow(report) : null;
  }

  /** Connected agents only. */
  reports(): AgentReport[] {
    return [...this.#byPid.values()].flatMap(({ report }) => (report ? this.#asOfNow(report) : []));
  }

  /** Asks for stats now; null where the agent is not connected or does not answer within `timeoutMs`. */
  async sample(pid: number, timeoutMs: number): Promise<AgentReport | null> {
    return (await this.#byPid.get(pid)?.sample(timeoutMs)) ?? null;
  }

  /**
   * Asks a process to take no new connections and to finish its requests; see contract.ts's Drain. At once where
   * no agent is connected, and after half a second where the process does not turn its loop.
   */
  async drain(pid: number, timeoutMs: number): Promise<Drained> {
    return (await this.#byPid.get(pid)?.drain(timeoutMs)) ?? NOT_DRAINED;
  }

  /**
   * Asks a process to do the same, within `timeoutMs`, when SIGINT or SIGTERM comes, where the app has no listener of
   * its own for it, and to end by that signal then. For supervisors that stop a process by themselves. True when the
   * agent has heard; it lasts for as long as the process lives.
   */
  async arm(pid: number, timeoutMs: number): Promise<boolean> {
    return (await this.#byPid.get(pid)?.arm(timeoutMs)) ?? false;
  }

  /** Asks a process to sample what it allocates, or no more; true when its agent has heard. */
  async profile(pid: number, on: boolean): Promise<boolean> {
    return (await this.#byPid.get(pid)?.profile(on)) ?? false;
  }

  /** Asks a process to have V8 collect its garbage soon; true when its agent has heard. */
  async collect(pid: number): Promise<boolean> {
    return (await this.#byPid.get(pid)?.collect()) ?? false;
  }

  /**
   * Asks a process to write evidence into a folder: what could not be had, in a sentence each. Null where no agent is
   * connected, or has said so within `timeoutMs` of hearing it: an older agent never does, nor does a frozen process.
   */
  async gather(pid: number, order: GatherOrder, timeoutMs: number): Promise<string[] | null> {
    return (await this.#byPid.get(pid)?.gather(order, timeoutMs)) ?? null;
  }

  /** Ends all connections and removes the socket file. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      for (const connection of this.#connections) connection.close();
      this.#byPid.clear();
    });
  }

  #asOfNow(report: AgentReport): AgentReport {
    const { clock, deafUntil } = this.#options;
    const now = clock.monotonic();
    const silentMs = now - Math.max(report.heartbeatAt, deafUntil?.() ?? -Infinity);
    // A frozen process sends no stats: what it said before is its healthy past, and no measurement of now.
    const oldest = now - STALE_INTERVALS * this.#statsIntervalMs - STALE_MARGIN_MS;
    const isStale = report.statsAt !== null && report.statsAt < oldest;
    return {
      ...report,
      ...(isStale ? { stats: null } : {}),
      heartbeatAtMs: Math.round(clock.now() - Math.max(0, silentMs)),
    };
  }

  #welcome(connection: AgentConnection, hello: HelloFrame): Introduction | Promise<Introduction> {
    const { pid, pid_namespace, start } = hello;
    const ours = this.#pidNamespace;
    if (ours !== null && pid_namespace !== undefined && pid_namespace !== ours && start !== undefined) {
      return this.#find(connection, hello, { pid, pid_namespace, start });
    }
    if (!this.#pidExists(pid)) throw new BadFrame(`no process ${pid} on this machine`);
    if (start === undefined && !this.#byPid.has(pid)) return this.#admit(connection, hello, pid);
    return this.#check(connection, hello);
  }

  /** Whether the pid is its own: not that of an earlier process, nor one for which somebody speaks already. */
  async #check(connection: AgentConnection, hello: HelloFrame): Promise<Introduction> {
    const { pid, start } = hello;
    const seen = start === undefined ? null : await (this.#options.startOf ?? startOf)(pid);
    if (seen !== null && seen !== start) throw new BadFrame(`process ${pid} has not started when it says so`);
    return this.#takePlace(connection, hello, pid, seen);
  }

  /** `start`: as it was seen to be; null where the agent does not tell it, or it cannot be seen. */
  async #takePlace(
    connection: AgentConnection,
    hello: HelloFrame,
    pid: number,
    start: number | null,
  ): Promise<Introduction> {
    const endsAt = performance.now() + LAST_CLOSE_MS;
    while (this.#isTaken(pid, start) && performance.now() < endsAt) await this.#options.clock.sleep(LAST_CLOSE_MS / 10);
    if (this.#isTaken(pid, start)) throw new BadFrame(`process ${pid} has an agent already, which stays`);
    if (!this.#connections.has(connection)) throw new BadFrame('it has gone');
    if (start !== null) this.#starts.set(connection, start);
    return this.#admit(connection, hello, pid);
  }

  /** By one that is as good: neither one that told no start time, nor that of an earlier process with this pid. */
  #isTaken(pid: number, start: number | null): boolean {
    const there = this.#byPid.get(pid);
    return there !== undefined && (start === null || this.#starts.get(there) === start);
  }

  /** An agent in a container: its pid means something in there alone. */
  async #find(connection: AgentConnection, hello: HelloFrame, who: Stranger): Promise<Introduction> {
    const [pid, ...others] = await this.#strangers.find(who, () => this.#connections.has(connection));
    const name = `process ${who.pid} of another pid namespace, as a container has,`;
    if (pid === undefined) {
      throw new BadFrame(`${name} cannot be seen from here; where heapwarden runs in a container, that takes pid: host`);
    }
    if (others.length > 0) {
      throw new BadFrame(`${name} may be ${[pid, ...others].join(' or ')}; run heapwarden as root or as its user to tell`);
    }
    return this.#takePlace(connection, hello, pid, who.start);
  }

  #admit(connection: AgentConnection, { app, node }: HelloFrame, pid: number): Introduction {
    const before = this.#byPid.get(pid);
    this.#byPid.set(pid, connection);
    before?.close();
    if (before?.report) this.#log.warn('displaced', displaced(before.report, app), { app: before.report.app, pid });
    const said = `${app}: the agent of process ${pid} reports in (Node ${node})`;
    // By app: one that starts processes without end has a line for all of them.
    this.#log.info(`agent of ${app}`, said, { app, pid, node_version: node });
    return { pid, statsIntervalMs: this.#statsIntervalMs };
  }

  #complain({ report }: AgentConnection, why: string): void {
    const name = report ? `${report.app}: the agent of process ${report.pid}` : 'a connection to the agent socket';
    const who = report ? { app: report.app, pid: report.pid } : {};
    // Of those that come again and again, each time with another number, one line.
    const kind = report ? `bad ${report.pid}` : why.replace(/\d+/g, '');
    this.#log.warn(kind, `${name} was closed, for it does not speak the protocol: ${why}`, who);
  }

  #forget(connection: AgentConnection): void {
    this.#connections.delete(connection);
    const pid = connection.report?.pid;
    if (pid === undefined || this.#byPid.get(pid) !== connection) return;
    this.#byPid.delete(pid);
    this.#options.log.debug(`${connection.report?.app}: the agent of process ${pid} is gone`, { pid });
  }

  /** Whoever connects and says nothing keeps nobody out. */
  #makeRoom(): void {
    const silent = [...this.#connections].filter(({ hasSaidHello }) => !hasSaidHello);
    if (silent.length >= MAX_SILENT) silent[0]!.close();
  }

  #refuse(): void {
    if (this.#full) return;
    this.#full = true;
    this.#options.log.warn(`agents are refused: ${this.#server.maxConnections} are connected already`, { limit: this.#server.maxConnections });
  }
}

function displaced({ app, pid }: AgentReport, by: string): string {
  const why = `it did not tell when that process started; one of ${by} did`;
  return `${app}: the agent of process ${pid} was closed, for ${why}`;
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: another user's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
