import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { underAny } from '../../abort.js';
import type { EvidenceFile } from '../../agent/protocol.cjs';
import type { Clock } from '../../clock.js';
import type { AppConfig } from '../../config/schema.js';
import { readOwn } from '../../own-files.js';
import { standstillOf } from '../../decide/measure.js';
import { messageOf } from '../../errors.js';
import type { Log } from '../../log.js';
import type { AgentHub } from '../../observe/hub.js';
import type { WorkerState } from '../../observe/tracker.js';
import { formatDuration } from '../../units.js';
import type { Incident } from '../incident.js';
import type { Looks } from './look-at-stack.js';
import type { LastWords } from './last-words.js';
import type { EvidenceReport } from './report.js';
import { roomFor, whyNoSnapshot } from './room-for-snapshot.js';
import { sourceLocator } from './source-maps.js';
import { holderOf, stackText } from './stacks.js';
import { writePrivate, type EvidenceStore } from './store.js';
import { framesIn, parseProfile, rankSuspects } from './suspects.js';
import { described, suspectsText, suspicion, type Held } from './suspects-text.js';
import { Threads } from './threads.js';
import type { Figures, Memory, Witness } from './witness.js';

export interface EvidenceParts {
  store: EvidenceStore;
  witness: Pick<Witness, 'of' | 'profileTaken'>;
  lastWords: Pick<LastWords, 'of'>;
  hub: Pick<AgentHub, 'gather'>;
  /** As in app-user.ts. */
  whyNoFiles(pid: number): Promise<string | null>;
  lookAtStack(pid: number, timeoutMs: number, signal: AbortSignal): Promise<Looks>;
  /** As the API tells it. */
  describe(incident: Incident): object;
  clock: Clock;
  log: Log;
}

/** Of the time that evidence may take, what is kept back to write up what there is. */
const WRITE_UP_MS = 250;
/** And before that, to read what the kernel knows and to write the stack; on a busy machine each of it waits for its turn. */
const STACK_WRITE_MS = 250;
/** The same as a share of all the time, where that is more. */
const STACK_WRITE_SHARE = 1 / 10;
/** What heapwarden waits for where it closes meanwhile: an inspector that is open is closed in that time. */
const LET_GO_MS = 1000;
/** A loop that has not turned for so long will not answer within a moment either. */
const SILENT_MS = 3000;
/** Bytes of a profile that are read; some hundred kB are usual. */
const LARGEST_PROFILE = 8e6;

/** One incident's evidence in the making. */
interface Case {
  incident: Incident;
  worker: WorkerState;
  app: AppConfig;
  memory: Memory | null;
  folder: string;
  report: EvidenceReport;
  /** By the clock that never jumps. */
  deadline: number;
  /** Aborts when the time is over, or heapwarden closes. */
  signal: AbortSignal;
}

/** What is written of a process before it is stopped. */
export class Evidence {
  readonly #parts: EvidenceParts;

  constructor(parts: EvidenceParts) {
    this.#parts = parts;
  }

  /** Takes no longer than `evidence.timeout`, and never rejects. Null where none is wanted, or no process is there. */
  async collect(incident: Incident, worker: WorkerState | null, app: AppConfig, closing: AbortSignal): Promise<EvidenceReport | null> {
    if (app.evidence.keep === 0 || !worker?.reading) return null;
    const { clock, log } = this.#parts;
    const report: EvidenceReport = { folder: null, files: [], finding: null, notes: [] };
    const { timeout } = app.evidence;
    const time = new AbortController();
    const deadline = clock.monotonic() + Math.max(timeout / 2, timeout - WRITE_UP_MS);
    const memory = this.#parts.witness.of(worker);
    let isWhole = false;
    const work = async (signal: AbortSignal): Promise<void> => {
      await this.#work({ incident, worker, app, memory, folder: '', report, deadline, signal }).catch((error: unknown) => {
        report.notes.push(`not all of it could be collected: ${messageOf(error)}`);
      });
      isWhole = true;
    };
    let working: Promise<void> | undefined;
    await underAny([time.signal, closing], async (signal) => {
      working = work(signal);
      await Promise.race([working, clock.sleep(deadline - clock.monotonic(), signal)]);
      time.abort();
    });
    if (closing.aborted) await Promise.race([working, clock.sleep(LET_GO_MS)]);
    if (!isWhole) report.notes.push(`evidence.timeout (${formatDuration(timeout)}) was over before all of it was collected`);
    // What is still under way must not change what has been told.
    const told = structuredClone(report);
    const { folder } = told;
    if (folder !== null) {
      const up = this.#writeUp(folder, incident, memory, told, app).catch((error: unknown) => messageOf(error));
      const failure = await Promise.race([up, clock.sleep(WRITE_UP_MS).then(() => null)]);
      if (failure) told.notes.push(`not all of it could be written: ${failure}`);
      else told.files.unshift('incident.json');
    }
    log.info(`${incident.app}/${incident.worker}: ${sentenceOf(told)}`, { app: incident.app, worker: incident.worker, incident: incident.id });
    return told;
  }

  async #work(given: Case): Promise<void> {
    const { incident, worker, report } = given;
    const folder = await this.#parts.store.make(incident).catch((error: unknown) => {
      report.notes.push(`no folder for it could be made: ${messageOf(error)}`);
      return null;
    });
    if (folder === null) return;
    report.folder = folder;
    const here = { ...given, folder };
    await this.#writeLastWords(here);
    if (!isFrozen(incident, worker)) return this.#askAgent(here);
    report.notes.push('no report.json: the process is frozen, so that its agent cannot write one');
    if (given.app.evidence.stack) await this.#lookAtStack(here);
  }

  async #lookAtStack({ incident, worker, app: { evidence }, folder, report, deadline, signal }: Case): Promise<void> {
    const { lookAtStack, clock } = this.#parts;
    const pid = worker.agent?.pid ?? worker.reading!.root.pid;
    const threads = new Threads(pid);
    // What the kernel says goes beside it, and takes no time.
    const writeMs = Math.max(STACK_WRITE_MS, evidence.timeout * STACK_WRITE_SHARE);
    const { stacks, overMs, lack } = await lookAtStack(pid, Math.max(0, deadline - clock.monotonic() - writeMs), signal);
    if (lack !== null) report.notes.push(lack);
    const holder = holderOf(stacks);
    if (holder) report.finding = `its event loop was held by ${described(holder)}`;
    const { app, worker: slot } = incident;
    const frozenMs = worker.agent ? clock.monotonic() - worker.agent.heartbeatAt : 0;
    const freeze = { app, worker: slot, pid, node: worker.agent?.node ?? '?', frozenMs, stacks, overMs, lack, threads: await threads.use() };
    if (signal.aborted) return; // the process is being stopped by now, and the report has been told without it
    await attempt(report, 'stack.txt', () => writePrivate(folder, 'stack.txt', stackText(freeze)));
  }

  async #writeLastWords({ incident: { app, worker }, folder, report }: Case): Promise<void> {
    const lines = this.#parts.lastWords.of(app, worker);
    if (!lines) return;
    await attempt(report, 'output.txt', () => writePrivate(folder, 'output.txt', `${lines.join('\n')}\n`));
  }

  async #askAgent(given: Case): Promise<void> {
    const { worker, report, memory, app } = given;
    const { agent } = worker;
    if (!agent) return void report.notes.push('no agent is in the process, so nothing could be asked of it');
    const why = await this.#parts.whyNoFiles(agent.pid);
    if (why !== null) return void report.notes.push(`no ${filesWanted(given).join(', ')}: ${why}`);
    const since = memory?.profiledSince ?? null;
    await this.#gather(given, agent.pid, since ? ['allocations.heapprofile', 'report.json'] : ['report.json']);
    if (since) {
      this.#parts.witness.profileTaken(worker);
      if (report.files.includes('allocations.heapprofile')) await this.#rankSuspects(given, since);
    } else if (app.evidence.profile && isOfMemory(given.incident)) {
      report.notes.push('no allocations.heapprofile: its memory passed its warning too shortly before');
    }
    if (app.evidence.snapshot && isOfMemory(given.incident)) await this.#takeSnapshot(given, agent.pid);
  }

  async #gather({ folder, report, deadline }: Case, pid: number, files: EvidenceFile[]): Promise<void> {
    const { hub, clock } = this.#parts;
    const lacks = await hub.gather(pid, { folder, files }, Math.max(0, deadline - clock.monotonic()));
    report.notes.push(...(lacks ?? [`no ${files.join(', ')}: the agent has not answered; it may be an older one`]));
    for (const file of files) if (await isThere(folder, file)) report.files.push(file);
  }

  async #rankSuspects({ incident, worker, memory, folder, report }: Case, since: Figures): Promise<void> {
    await attempt(report, 'suspects.txt', async () => {
      const profile = await readOwn(join(folder, 'allocations.heapprofile'), LARGEST_PROFILE);
      const head = parseProfile(profile.toString('utf8'));
      if (!head) throw new Error('the profile could not be read');
      const locate = await sourceLocator(framesIn(head), { tell: (note) => report.notes.push(note) });
      const ranked = rankSuspects(head, locate);
      const { app, worker: slot, atMs: nowMs } = incident;
      const [before, last] = [heldOf(since), heldOf(memory?.last ?? since)];
      const after = { ...last, rss: worker.reading?.treeRssBytes ?? last.rss };
      await writePrivate(folder, 'suspects.txt', suspectsText(ranked, { app, worker: slot, sinceMs: since.atMs, nowMs, before, after }));
      report.finding = suspicion(ranked);
    });
  }

  async #takeSnapshot(given: Case, pid: number): Promise<void> {
    const { worker, memory, folder, report, deadline } = given;
    const heap = (worker.agent?.stats ?? memory?.last.stats)?.heap_used;
    const why =
      heap === undefined
        ? 'the size of its heap is not known'
        : await roomFor(pid, folder).then(
            (room) => whyNoSnapshot(heap, room, deadline - this.#parts.clock.monotonic()),
            (error: unknown) => messageOf(error),
          );
    if (why !== null) report.notes.push(`no heap.heapsnapshot: ${why}`);
    else await this.#gather(given, pid, ['heap.heapsnapshot']);
  }

  async #writeUp(folder: string, incident: Incident, memory: Memory | null, report: EvidenceReport, app: AppConfig): Promise<null> {
    const { describe, store } = this.#parts;
    await writeIncident(folder, describe(incident), memory, report);
    await tidyUp(store, folder, app, report);
    return null;
  }
}

async function attempt(report: EvidenceReport, file: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
    report.files.push(file);
  } catch (error) {
    report.notes.push(`no ${file}: ${messageOf(error)}`);
  }
}

const isThere = (folder: string, file: string): Promise<boolean> =>
  lstat(join(folder, file)).then((facts) => facts.isFile() && facts.size > 0, () => false);

/** What the agent would write if it could. */
function filesWanted({ incident, app: { evidence } }: Case): EvidenceFile[] {
  const files: EvidenceFile[] = ['report.json'];
  if (isOfMemory(incident) && evidence.profile) files.unshift('allocations.heapprofile');
  if (isOfMemory(incident) && evidence.snapshot) files.push('heap.heapsnapshot');
  return files;
}

const isOfMemory = ({ asked }: Incident): boolean => asked === 'rss' || asked === 'heap';

/** As of the last look, which was a moment ago. */
function isFrozen({ asked }: Incident, worker: WorkerState): boolean {
  if (asked === 'freeze') return true;
  return worker.agent !== null && !standstillOf(worker) && worker.observedAt - worker.agent.heartbeatAt > SILENT_MS;
}

const heldOf = ({ rssBytes, stats }: Figures): Held => ({ heap: stats.heap_used, external: stats.external, rss: rssBytes });

/** `incident`: as the API tells it. */
export async function writeIncident(folder: string, incident: object, memory: Memory | null, evidence: EvidenceReport): Promise<void> {
  const process = memory && { pid: memory.process.pid, at_baseline: figuresOf(memory.baseline), at_last: figuresOf(memory.last) };
  await writePrivate(folder, 'incident.json', `${JSON.stringify({ incident, process, evidence }, null, 2)}\n`);
}

/** Never rejects: what of older evidence cannot be removed takes nothing from this one's. */
export async function tidyUp(store: EvidenceStore, folder: string, app: AppConfig, { notes }: EvidenceReport): Promise<void> {
  await store.tidy(folder, app).catch((error: unknown) => notes.push(`older evidence could not be removed: ${messageOf(error)}`));
}

const figuresOf = ({ atMs, rssBytes, stats }: Figures): object => ({
  timestamp_seconds: atMs / 1000,
  resident_memory_bytes: rssBytes,
  ...stats,
});

function sentenceOf({ folder, files, finding, notes }: EvidenceReport): string {
  if (folder === null) return `no evidence: ${notes.join('; ')}`;
  return `${finding ? `${finding}; ` : ''}evidence in ${folder}: ${files.join(', ')}`;
}
