/** The referee's eyes: /proc, the workers' own logs, what the soak says that it did, and the journal as it grows. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ownDescriptors } from './descriptors.js';
import type { Chaos, Journal, Life, Records, Refusal, Restart, Rules, Span, WardenLook } from './records.js';

const LOOK_EVERY_MS = 250;
/** A look that comes so much later than it should: the machine was starved. */
const LATE_MS = 500;
/** A loop that turns says so four times a second. */
const STILL_MS = 1000;
/** A page in bytes: AT_PAGESZ, entry 6 of the auxiliary vector, getauxval(3). */
const PAGE_BYTES = pageBytes(readFileSync('/proc/self/auxv'));

export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

/** A line of a worker's log. */
interface Told {
  at: number;
  pid: number;
  start: number;
  app: string;
  worker: string;
  event: 'starts' | 'leaks' | 'goes' | 'freezes' | 'thaws' | 'told';
}

/** A line of what the soak has done. */
export type Deed =
  | { at: number; deed: 'down' | 'full' | 'room' | 'end' }
  | { at: number; deed: 'ready'; pid: number }
  | { at: number; deed: 'clock'; aheadMs: number };

/** A file that grows, line by line. Begins anew where another file has taken its place. */
class Tail {
  readonly #path: string;
  #inode = -1;
  #at = 0;
  #rest = '';

  constructor(path: string) {
    this.#path = path;
  }

  /** `isNew`: these are the first lines of another file. */
  read(): { lines: string[]; isNew: boolean } {
    let file: number;
    try {
      file = openSync(this.#path, 'r');
    } catch {
      return { lines: [], isNew: false };
    }
    try {
      const { ino, size } = fstatSync(file);
      const isNew = ino !== this.#inode || size < this.#at;
      if (isNew) [this.#inode, this.#at, this.#rest] = [ino, 0, ''];
      const bytes = Buffer.alloc(Math.max(0, size - this.#at));
      this.#at += readSync(file, bytes, 0, bytes.length, this.#at);
      const pieces = (this.#rest + bytes.toString('utf8')).split('\n');
      this.#rest = pieces.pop()!;
      return { lines: pieces.filter((line) => line !== ''), isNew };
    } finally {
      closeSync(file);
    }
  }
}

interface Watched extends Life {
  lastTurnAt: number;
  lastLookAt: number;
}

export class Watch {
  readonly #dir: string;
  readonly #rules: Rules;
  readonly #chaos: Chaos = { down: [], full: [], clock: [], endedAt: Infinity };
  readonly #deeds: Tail;
  readonly #logs = new Map<string, Tail>();
  readonly #lives: Watched[] = [];
  readonly #journalFile: Tail;
  readonly #restarts = new Map<string, Restart>();
  readonly #refusals = new Map<string, Refusal>();
  readonly #doubled = new Set<string>();
  #idsOfFile = new Set<string>();
  readonly #warden: WardenLook[] = [];
  readonly #blind: Span[] = [];
  #wardenPid: number | null = null;
  #lastLookAt = monotonicMs();
  #timer: NodeJS.Timeout | undefined;

  constructor(dir: string) {
    this.#dir = dir;
    this.#rules = JSON.parse(readFileSync(join(dir, 'rules.json'), 'utf8')) as Rules;
    this.#deeds = new Tail(join(dir, 'deeds.jsonl'));
    this.#journalFile = new Tail(join(dir, 'state', 'journal.jsonl'));
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** The journal is read once more, whole. */
  end(): Records {
    clearInterval(this.#timer);
    this.#readDeeds();
    this.#readJournal(monotonicMs());
    const lives: Life[] = this.#lives;
    const [chaos, journal] = [this.#chaos, this.#journal()];
    return { rules: this.#rules, chaos, lives, journal, warden: this.#warden, blind: this.#blind };
  }

  #look(): void {
    const at = monotonicMs();
    if (at - this.#lastLookAt > LOOK_EVERY_MS + LATE_MS) this.#blind.push({ from: this.#lastLookAt, to: at });
    this.#lastLookAt = at;
    this.#readDeeds();
    if (at >= this.#chaos.endedAt) return;
    this.#readLogs();
    for (const life of this.#lives) if (life.to === null) this.#lookAt(life, at);
    this.#readJournal(at);
    this.#lookAtWarden(at);
  }

  #lookAt(life: Watched, at: number): void {
    const stat = statOf(life.pid);
    if (!stat || stat.start !== life.start) {
      life.to = at;
      this.#turned(life, at, at);
      return;
    }
    if (stat.residentBytes >= this.#rules.rssLimitBytes) {
      const last = life.over.at(-1);
      if (last && last.to === life.lastLookAt) last.to = at;
      else life.over.push({ from: at, to: at });
    }
    life.lastLookAt = at;
    this.#turned(life, this.#turnOf(life), at);
  }

  #turned(life: Watched, turnAt: number, at: number): void {
    const last = life.still.at(-1);
    if (last && last.from === life.lastTurnAt) last.to = Math.min(turnAt > life.lastTurnAt ? turnAt : at, at);
    else if (at - life.lastTurnAt > STILL_MS && turnAt <= life.lastTurnAt) life.still.push({ from: life.lastTurnAt, to: at });
    if (turnAt > life.lastTurnAt) life.lastTurnAt = turnAt;
  }

  #turnOf({ pid, lastTurnAt }: Watched): number {
    try {
      const at = Number(readFileSync(join(this.#dir, 'apps', `tick.${pid}`), 'latin1'));
      return at > 0 ? at : lastTurnAt;
    } catch {
      return lastTurnAt;
    }
  }

  #readDeeds(): void {
    const { down, full, clock } = this.#chaos;
    for (const line of this.#deeds.read().lines) {
      const deed = JSON.parse(line) as Deed;
      if (deed.deed === 'down') down.push({ from: deed.at, to: Infinity });
      if (deed.deed === 'ready') {
        this.#wardenPid = deed.pid;
        const last = down.at(-1);
        if (last) last.to = Math.min(last.to, deed.at);
      }
      if (deed.deed === 'full') full.push({ from: deed.at, to: Infinity });
      if (deed.deed === 'room') full.at(-1)!.to = deed.at;
      if (deed.deed === 'clock') clock.push({ at: deed.at, aheadMs: deed.aheadMs });
      if (deed.deed === 'end') this.#chaos.endedAt = deed.at;
    }
  }

  #readLogs(): void {
    const folder = join(this.#dir, 'apps');
    for (const name of readdirSync(folder)) {
      if (!name.endsWith('.jsonl')) continue;
      if (!this.#logs.has(name)) this.#logs.set(name, new Tail(join(folder, name)));
      for (const line of this.#logs.get(name)!.read().lines) this.#hear(JSON.parse(line) as Told);
    }
  }

  #hear({ at, pid, start, app, worker, event }: Told): void {
    if (event === 'starts') {
      const nothing = { to: null, goesAt: null, over: [], still: [] };
      this.#lives.push({ app, worker, pid, start, from: at, ...nothing, lastTurnAt: at, lastLookAt: at });
    }
    const life = this.#lives.findLast((one) => one.pid === pid && one.start === start);
    if (event === 'goes' && life) life.goesAt = at;
  }

  #readJournal(at: number): void {
    const { lines, isNew } = this.#journalFile.read();
    if (isNew) this.#idsOfFile = new Set();
    for (const text of lines) {
      const line = parsed(text);
      if (line?.type === 'incident') this.#incident(line.incident, at);
      if (line?.type === 'outcome') this.#outcome(line.id, line.outcome.result, at);
    }
  }

  #incident({ id, action, reason, app, worker, asked, before, outcome }: JournalIncident, seenAt: number): void {
    if (this.#idsOfFile.has(id)) this.#doubled.add(id);
    this.#idsOfFile.add(id);
    if (action === 'restart' && !this.#restarts.has(id)) {
      this.#restarts.set(id, { id, app, worker, asked, before, seenAt, result: null, doneAt: null });
    }
    if (action === 'refuse' && !this.#refusals.has(id)) this.#refusals.set(id, { app, worker, asked, reason, before, seenAt });
    if (outcome) this.#outcome(id, outcome.result, seenAt);
  }

  #outcome(id: string, result: string, at: number): void {
    const restart = this.#restarts.get(id);
    if (!restart) return;
    restart.result = result;
    restart.doneAt ??= at;
  }

  #journal(): Journal {
    const text = readFileSync(join(this.#dir, 'state', 'journal.jsonl'), 'utf8');
    const damaged = text.split('\n').filter((line) => line !== '' && !parsed(line)).length;
    return { restarts: [...this.#restarts.values()], refusals: [...this.#refusals.values()], doubled: [...this.#doubled], damaged };
  }

  #lookAtWarden(at: number): void {
    const pid = this.#wardenPid;
    const stat = pid === null ? null : statOf(pid);
    if (!pid || !stat) return;
    try {
      this.#warden.push({ at, pid, rssBytes: stat.residentBytes, fds: ownDescriptors(pid) });
    } catch {
      // it has gone between two looks
    }
  }
}

interface JournalIncident {
  id: string;
  action: string;
  reason: string;
  app: string;
  worker: string;
  asked: string;
  before: { pid: number; start: number } | null;
  outcome: { result: string } | null;
}

type JournalLine =
  | { type: 'incident'; incident: JournalIncident }
  | { type: 'outcome'; id: string; outcome: { result: string } }
  | { type: 'app' };

function parsed(text: string): JournalLine | null {
  try {
    return JSON.parse(text) as JournalLine;
  } catch {
    return null;
  }
}

/** Null for one that has gone, or is a zombie. Fields as proc_pid_stat(5) numbers them. */
function statOf(pid: number): { start: number; residentBytes: number } | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' '); // from field 3 on
    if (/[ZXx]/.test(fields[0]!)) return null;
    return { start: Number(fields[19]), residentBytes: Number(fields[21]) * PAGE_BYTES };
  } catch {
    return null;
  }
}

function pageBytes(auxv: Buffer): number {
  for (let at = 0; at + 16 <= auxv.length; at += 16) if (auxv.readBigUInt64LE(at) === 6n) return Number(auxv.readBigUInt64LE(at + 8));
  return 4096;
}
