/**
 * What systemd says and does, by way of `systemctl`.
 *
 * Not over D-Bus, although that would tell of every change at once: Node has no client for it, the libraries on npm
 * are thousands of lines for the five calls made here, and systemd's own private socket is root's alone. systemctl is
 * there wherever systemd is, finds the right bus by itself (also for user units and for root, who needs none), and
 * the output of `show` is made for programs: systemctl(1). One process serves all units asked for in the same turn,
 * about 5 ms of CPU time a round. What happens between two looks is in systemd's journal (systemd-journal.ts).
 */
import { execFile } from 'node:child_process';
import { HeapwardenError } from '../errors.js';
import { formatElapsed } from '../units.js';
import { parseUnits, PROPERTIES, type Unit, type UnitName } from './systemd-unit.js';

/** About 600 bytes a unit. */
const MOST_BYTES = 64 * 2 ** 20;
const NO_SYSTEMD = /not been booted with systemd|connect to bus|Connection (refused|reset|timed out)|Transport endpoint/i;

export interface SystemctlOptions {
  /** The manager of this user's own services, rather than the machine's. */
  user: boolean;
  /** Milliseconds to an answer; default 5000. */
  timeoutMs?: number;
  /** By default found in PATH. */
  program?: string;
}

/** What a program said before it ended; `status` is null where it was ended by a signal. */
interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

interface Asked {
  names: Set<string>;
  answer: Promise<Unit[]>;
}

/** One service manager. Throws HeapwardenError SUPERVISOR_UNREACHABLE, or SUPERVISOR_REFUSED with systemd's text. */
export class Systemctl {
  readonly user: boolean;
  readonly timeoutMs: number;
  readonly #program: string;
  /** Of the call that has not begun yet. */
  #next: Asked | null = null;

  constructor({ user, timeoutMs = 5000, program = 'systemctl' }: SystemctlOptions) {
    this.user = user;
    this.timeoutMs = timeoutMs;
    this.#program = program;
  }

  /**
   * The unit of this name, also where there is none (its LoadState says so); of a pattern such as `shop@*.service`,
   * those that systemd has in memory: running, failed, or about to be started. Callers in the same turn share a call.
   */
  async show(name: UnitName): Promise<Unit[]> {
    const next = (this.#next ??= this.#gather());
    next.names.add(name);
    const units = await next.answer;
    const isWanted = matcherOf(name);
    return units.filter(({ names }) => names.some(isWanted));
  }

  /**
   * Restarts the unit and waits until systemd is done: for Type=notify and the like, until it is ready. Null then, or
   * systemd's words where the old process was stopped and the new one did not come up. Rejects with the signal's reason
   * where that aborts; systemd finishes what it has begun.
   */
  async restart(name: UnitName, timeoutMs: number, signal: AbortSignal): Promise<string | null> {
    const ran = await this.#run(['restart', '--', name], timeoutMs, signal);
    if (ran.status === 0) return null;
    const said = firstLine(ran.stderr);
    // Of a job that was begun, whichever way it ended; anything else was refused before anything was touched.
    if (/^(Job|A dependency job|Assertion failed on job) for /.test(said)) return said;
    throw this.#refusal(name, said);
  }

  /** Ends a crash loop, and sets systemd's count of starts (StartLimitBurst=) to zero. */
  async resetFailed(name: UnitName, signal: AbortSignal): Promise<void> {
    const ran = await this.#run(['reset-failed', '--', name], this.timeoutMs, signal);
    const said = firstLine(ran.stderr);
    // A unit that is not loaded, being stopped, has nothing to reset.
    if (ran.status !== 0 && !said.endsWith(' not loaded')) throw this.#refusal(name, said);
  }

  #gather(): Asked {
    const names = new Set<string>();
    const answer = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      this.#next = null;
      return this.#showAll([...names]);
    });
    return { names, answer };
  }

  async #showAll(names: readonly string[]): Promise<Unit[]> {
    const ran = await this.#run(['show', `--property=${PROPERTIES.join()}`, '--', ...names], this.timeoutMs);
    if (ran.status !== 0) throw this.#refusal(names.join(', '), firstLine(ran.stderr));
    return parseUnits(ran.stdout);
  }

  #run(args: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<Ran> {
    signal?.throwIfAborted();
    const scope = this.user ? ['--user'] : [];
    const all = [...scope, '--no-pager', '--no-ask-password', ...args];
    return new Promise((resolve, reject) => {
      const env = environment(process.env);
      const options = { timeout: timeoutMs, env, encoding: 'utf8', maxBuffer: MOST_BYTES, ...(signal && { signal }) } as const;
      const fail = (why: string) => reject(this.#unreachable(why));
      execFile(this.#program, all, options, (error, stdout, stderr) => {
        if (signal?.aborted) reject(signal.reason);
        else if (error?.killed) fail(`no answer to "${args[0]}" within ${formatElapsed(timeoutMs)}`);
        else if (typeof error?.code === 'string') fail(`${this.#program} cannot be run, ${error.code}`);
        else resolve({ status: error ? Number(error.code ?? NaN) : 0, stdout, stderr });
      });
    });
  }

  #refusal(name: string, said: string): HeapwardenError {
    if (NO_SYSTEMD.test(said)) return this.#unreachable(said);
    return new HeapwardenError('SUPERVISOR_REFUSED', `systemd refuses: ${said}${hint(said, name, this.user)}`);
  }

  #unreachable(why: string): HeapwardenError {
    const next = this.user
      ? 'user units need the manager of the user that heapwarden runs as ("loginctl enable-linger USER" starts it ' +
        'without a login), and XDG_RUNTIME_DIR in the environment'
      : 'is this machine run by systemd, and may heapwarden reach its bus, /run/dbus/system_bus_socket?';
    return new HeapwardenError('SUPERVISOR_UNREACHABLE', `systemd does not answer (${why}); ${next}`);
  }
}

/** The managers of the machine and of this user. */
export interface Systemctls {
  system: Systemctl;
  user: Systemctl;
}

/** What to do where systemd refuses in these words. */
function hint(said: string, name: string, user: boolean): string {
  const systemctl = user ? 'systemctl --user' : 'systemctl';
  if (/Access denied|authentication required|Permission denied|not authorized/i.test(said)) {
    const uid = process.getuid?.();
    return (
      `; user ${uid} has no right to it: install deploy/polkit/50-heapwarden.rules in /etc/polkit-1/rules.d and name ` +
      `${name} in it, or run heapwarden as root`
    );
  }
  if (/is masked/.test(said)) return `; "${systemctl} unmask ${name}" makes it a service again`;
  if (/not found|not loaded/.test(said)) return `; "${systemctl} list-units --type=service" shows those there are`;
  if (/bad (unit file )?setting|Invalid argument/i.test(said)) return `; "systemd-analyze verify ${name}" says why`;
  return '';
}

/** Only what systemctl needs: where the buses are. Its answers are read, so they must be in English. */
function environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS', 'DBUS_SYSTEM_BUS_ADDRESS'];
  const given = kept.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return { ...Object.fromEntries(given), LC_ALL: 'C' };
}

/** A pattern has one star, in the place of the instance's name. */
function matcherOf(name: string): (id: string) => boolean {
  const [before = '', after] = name.split('*');
  if (after === undefined) return (id) => id === name;
  return (id) => id.length > before.length + after.length && id.startsWith(before) && id.endsWith(after);
}

/** Before it says what became of a job, it may warn that the unit's file has changed on disk. */
function firstLine(text: string): string {
  const said = text.trim().split('\n').find((line) => !line.startsWith('Warning: '));
  return said?.replace(/\.$/, '') || 'it did not say why';
}
