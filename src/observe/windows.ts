import { messageOf } from '../errors.js';
import type { ProcessId } from '../supervisors/contract.js';
import { treeOf } from './identity.js';
import { runPowershell, type RunScript } from './powershell.js';
import type { ProcessFacts, ProcessSource } from './processes.js';
import { SharedLooks } from './shared-looks.js';

/** What Win32_Process tells of one process, beyond what every system does. */
export interface WindowsFacts extends ProcessFacts {
  /** As text, as Windows keeps it; null where there is none or it is not ours to see. */
  commandLine: string | null;
  /** Open handles: files, sockets, and much else. */
  handles: number | null;
}

/** https://learn.microsoft.com/windows/win32/cimwin32prov/win32-process */
export const PROCESS_QUERY =
  'Get-CimInstance -ClassName Win32_Process | Select-Object ProcessId,ParentProcessId,CreationDate,WorkingSetSize,' +
  'KernelModeTime,UserModeTime,HandleCount,ThreadCount,CommandLine | ConvertTo-Json -Compress';

/** KernelModeTime and UserModeTime count 100 ns. */
const TIMES_PER_SECOND = 1e7;

/**
 * Pure. One process is an object, several are a list, as ConvertTo-Json of both PowerShells has it; `start` is the time
 * of creation in milliseconds since the Unix epoch, the finest that both print. A process without one is none that
 * anybody could ask for (System Idle Process), and one without threads has ended, though somebody holds its handle.
 *
 * A parent's pid is never cleared, so it may be another process by now: one that was created after its "child" is not
 * its parent, which is then 0. Throws where the text is no such list, or an empty one: that is no death of everybody.
 */
export function parseWin32Processes(output: string): WindowsFacts[] {
  const all = parseJson(output).flatMap(factsOf);
  if (all.length === 0) throw new Error('PowerShell named no process at all');
  const starts = new Map(all.map(({ pid, start }) => [pid, start]));
  return all.map((facts) => ({ ...facts, parent: (starts.get(facts.parent) ?? 0) <= facts.start ? facts.parent : 0 }));
}

function parseJson(output: string): unknown[] {
  try {
    const parsed: unknown = JSON.parse(output.replace(/^\uFEFF/, ''));
    return Array.isArray(parsed) ? parsed : [parsed];
  } catch (error) {
    throw new Error(`PowerShell's answer is no list of processes: ${messageOf(error)}`, { cause: error });
  }
}

function factsOf(entry: unknown): WindowsFacts[] {
  const of = new Map(Object.entries(entry ?? {}));
  const numberOf = (name: string): number | null => {
    const value: unknown = of.get(name);
    return typeof value === 'number' ? value : null;
  };
  const [pid, start, threads] = [numberOf('ProcessId'), creationMs(of.get('CreationDate')), numberOf('ThreadCount')];
  if (pid === null || start === null || threads === 0) return [];
  const [rssBytes, kernel, user] = [numberOf('WorkingSetSize'), numberOf('KernelModeTime'), numberOf('UserModeTime')];
  const isMeasured = rssBytes !== null && kernel !== null && user !== null;
  const commandLine: unknown = of.get('CommandLine');
  return [{
    pid,
    parent: numberOf('ParentProcessId') ?? 0,
    start,
    startedAtMs: start,
    threads,
    usage: isMeasured ? { rssBytes, cpuSeconds: (kernel + user) / TIMES_PER_SECOND } : null,
    commandLine: typeof commandLine === 'string' && commandLine !== '' ? commandLine : null,
    handles: numberOf('HandleCount'),
  }];
}

/**
 * Milliseconds since the Unix epoch of a DateTime as JSON: PowerShell 5.1 writes `/Date(1763683932123)/`, in an object
 * with `value` where the shell has added properties to it, PowerShell 7 ISO 8601 with up to seven digits of a second,
 * of which the last four are cut off, as the other format does. Null for anything else.
 */
export function creationMs(value: unknown): number | null {
  if (typeof value === 'object' && value !== null && 'value' in value) return creationMs(value.value);
  if (typeof value !== 'string') return null;
  const ms = /^\/Date\((-?\d+)\)\/$/.exec(value)?.[1];
  const iso = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?(Z|[+-]\d\d:\d\d)$/.exec(value);
  if (ms !== undefined) return Number(ms);
  return iso ? Date.parse(`${iso[1]}.${(iso[2] ?? '').padEnd(3, '0').slice(0, 3)}${iso[3]}`) : null;
}

export interface WindowsParts {
  run?: RunScript;
  /** Whether any process has this pid: costs nothing, and spares a PowerShell for those who have gone. */
  exists?: (pid: number) => boolean;
}

/**
 * For Windows: Win32_Process, asked through PowerShell. Each look starts one PowerShell and serves everybody who asked
 * before it began; there is never more than one at a time. Not tried on a Windows: what is known of the answers is in
 * the tests, written by hand after Microsoft's documentation.
 */
export class WindowsProcesses implements ProcessSource {
  /** pidusage would start two more programs to learn the same from the same place. */
  readonly measures = true;
  readonly #run: RunScript;
  readonly #exists: (pid: number) => boolean;
  readonly #looks = new SharedLooks<ReadonlyMap<number, WindowsFacts>>();
  #last: ReadonlyMap<number, WindowsFacts> = new Map();

  constructor({ run = runPowershell, exists = hasPid }: WindowsParts = {}) {
    this.#run = run;
    this.#exists = exists;
  }

  snapshot(): Promise<ReadonlyMap<number, WindowsFacts>> {
    return this.#looks.look('all', async () => {
      const all = parseWin32Processes(await this.#run(PROCESS_QUERY));
      this.#last = new Map(all.map((facts) => [facts.pid, facts]));
      return this.#last;
    });
  }

  async identify(pid: number): Promise<ProcessId | null> {
    if (!this.#exists(pid)) return null;
    const facts = (await this.snapshot()).get(pid);
    return facts ? { pid, start: facts.start } : null;
  }

  async tree(root: ProcessId): Promise<ProcessId[]> {
    if (!this.#exists(root.pid)) return [];
    return treeOf(root, await this.snapshot()).map(({ pid, start }) => ({ pid, start }));
  }

  /** Its handles, as of the last look: what Prometheus' client for Go tells as open descriptors on Windows. */
  async openFds(pid: number): Promise<number | null> {
    return this.#last.get(pid)?.handles ?? null;
  }
}

/** Another user's process exists, too (EPERM). */
function hasPid(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
