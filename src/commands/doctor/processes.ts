/** The machine's processes, as far as doctor's checks need to know them. Linux: proc(5). */
import { readFile, readlink, stat } from 'node:fs/promises';
import { messageOf } from '../../errors.js';
import { readCgroup } from '../../observe/cgroup.js';
import { commandLineOf } from '../../observe/command-line.js';
import { childrenByParent, withDescendants } from '../../observe/identity.js';
import { sharesNamespace } from '../../observe/namespaces.js';
import { isNode } from '../../observe/node-process.js';
import type { ProcessFacts, ProcessSource } from '../../observe/processes.js';
import { MARK_VARIABLE } from '../../supervisors/leftovers.js';
import type { Told } from './finding.js';
import { serviceOf, type Service } from './service.js';

export interface Entry {
  pid: number;
  parent: number;
  start: number;
  startedAtMs: number;
  rssBytes: number;
  /** The kernel's name for it, at most 15 characters. */
  name: string;
  /** It runs as this user. What follows is only known of such a process. */
  isOwn: boolean;
  isNode: boolean;
  /** It is in no container but the one, if any, that this process is in. */
  sharesPids: boolean;
  /** null where that could not be read. */
  cwd: string | null;
  words: readonly string[];
  /** A heapwarden started it, or a process above it. */
  isMarked: boolean;
  /** What HEAPWARDEN_APP in its environment says. */
  app: string | null;
  /** The systemd service in whose control group it is. */
  service: Service | null;
}

export type ProcessTable = ReadonlyMap<number, Entry>;

export async function readProcesses(source: ProcessSource): Promise<Told<ProcessTable>> {
  if (process.platform !== 'linux') return { why: 'that takes /proc, which this system does not have' };
  try {
    const isNodeOf = nodeTeller();
    const entries = await Promise.all([...(await source.snapshot()).values()].map((facts) => read(facts, isNodeOf)));
    return { value: new Map(entries.map((entry) => [entry.pid, entry])) };
  } catch (error) {
    return { why: `the processes could not be read: ${messageOf(error)}` };
  }
}

async function read(facts: ProcessFacts, isNodeOf: (pid: number) => Promise<boolean>): Promise<Entry> {
  const { pid, parent, start, startedAtMs, usage } = facts;
  const text = (name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
  const name = (await text('comm')).trim();
  const isOwn = (await stat(`/proc/${pid}`).catch(() => null))?.uid === process.getuid?.();
  const known = { pid, parent, start, startedAtMs, rssBytes: usage?.rssBytes ?? 0, name, isOwn };
  const unknown = { isNode: false, sharesPids: false, cwd: null, words: [], isMarked: false, app: null, service: null };
  if (!isOwn) return { ...known, ...unknown };
  const [command, environ, cgroup] = await Promise.all([commandLineOf(pid).catch(() => null), text('environ'), readCgroup(pid)]);
  const variables = environ.split('\0');
  const valueOf = (key: string) => variables.find((line) => line.startsWith(`${key}=`))?.slice(key.length + 1) ?? null;
  return {
    ...known,
    isNode: await isNodeOf(pid),
    sharesPids: await sharesNamespace(pid, 'pid'),
    cwd: command?.cwd ?? null,
    words: command?.words ?? [],
    isMarked: valueOf(MARK_VARIABLE) !== null,
    app: valueOf('HEAPWARDEN_APP'),
    service: serviceOf(cgroup ?? ''),
  };
}

/** Of one executable the answer is always the same, and reading its symbols takes a while. */
function nodeTeller(): (pid: number) => Promise<boolean> {
  const answers = new Map<string, Promise<boolean>>();
  return async (pid) => {
    const path = await readlink(`/proc/${pid}/exe`).catch(() => null);
    if (path === null) return false;
    const answer = answers.get(path) ?? isNode(pid);
    answers.set(path, answer);
    return answer;
  };
}

/** The process and all below it, root first; empty where there is none. Pure. */
export function treeIn(table: ProcessTable, pid: number): Entry[] {
  const root = table.get(pid);
  return root ? withDescendants(root, childrenByParent(table)) : [];
}
