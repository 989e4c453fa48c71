import { homedir } from 'node:os';
import { join } from 'node:path';
import { Aftercare } from './act/aftercare.js';
import { AppNotes } from './act/app-notes.js';
import { Collections } from './act/collections.js';
import { Deaths } from './act/deaths.js';
import { Evidence } from './act/evidence/collect.js';
import { LastWords } from './act/evidence/last-words.js';
import { lookAtStack } from './act/evidence/look-at-stack.js';
import { PostMortem } from './act/evidence/post-mortem.js';
import { EvidenceStore } from './act/evidence/store.js';
import { whyNoFiles } from './act/evidence/app-user.js';
import { Witness } from './act/evidence/witness.js';
import { DayKeeper } from './act/day-keeper.js';
import { History } from './act/history.js';
import { Intake } from './act/intake.js';
import { describeDamage, describeMoved, Journal } from './act/journal.js';
import { StateLock } from './act/lock.js';
import { ControlLoop } from './act/loop.js';
import { Outlooks } from './act/outlooks.js';
import { Restarter } from './act/restarter.js';
import { Schedules } from './act/schedules.js';
import { whyUnsafe } from './act/state-folder.js';
import { WaitingAsks } from './act/waiting-asks.js';
import { createMeter } from './agent/meter.cjs';
import type { Clock } from './clock.js';
import type { ConfigStore } from './config/store.js';
import type { Log } from './log.js';
import { PACE_DEFAULTS, type Pace } from './decide/finding.js';
import type { Outlook } from './decide/forecast.js';
import { gainSince, type Gain } from './decide/gain.js';
import { attach } from './observe/attach.js';
import { Attacher } from './observe/attacher.js';
import { processFinder } from './observe/finder.js';
import { AgentHub } from './observe/hub.js';
import { isNode } from './observe/node-process.js';
import { KernelLog } from './observe/kernel-log.js';
import { Observer } from './observe/observer.js';
import { OomKills } from './observe/oom-kills.js';
import { processSource } from './observe/processes.js';
import { releaseReader } from './observe/release.js';
import { Sampler } from './observe/sampler.js';
import { sampleOf, SeriesBook } from './observe/series.js';
import { signReader } from './observe/signs.js';
import { Standstills } from './observe/standstill.js';
import type { WorkerState } from './observe/tracker.js';
import { Vigil } from './observe/vigil.js';
import { Changes } from './publish/changes.js';
import { Counters, type AlertDecision } from './publish/counters.js';
import { incidentStatus } from './publish/incidents.js';
import { SelfMetrics } from './publish/self.js';
import type { ChildParts } from './supervisors/child.js';
import { Claims } from './supervisors/claims.js';
import type { Drain } from './supervisors/contract.js';
import { createSupervisor } from './supervisors/create.js';
import { Leftovers } from './supervisors/leftovers.js';
import { pm2Home } from './supervisors/pm2.js';
import { Pm2Client } from './supervisors/pm2-rpc.js';
import { SupervisorSet } from './supervisors/set.js';
import { Systemctl } from './supervisors/systemctl.js';

export interface RoomsOptions {
  config: ConfigStore;
  clock: Clock;
  log: Log;
  /** What child apps write. */
  onOutput: ChildParts['onOutput'];
  /** How long it takes until a trend is believed; the default is for processes that live for hours. */
  pace?: Pace;
}

/** Milliseconds. A busy process answers late; one that does not is tried again when it does. */
const ATTACH_TIMEOUT_MS = 3000;

export type Rooms = Awaited<ReturnType<typeof openRooms>>;

/** Builds the rooms and wires them; opens the state folder and nothing else. */
export async function openRooms({ config, clock, log, onOutput, pace = PACE_DEFAULTS }: RoomsOptions) {
  const { state_dir, agent_socket, agent_socket_group, sample_interval } = config.current;
  const processes = processSource();
  const lock = await StateLock.take(state_dir, processes);
  const unsafe = await whyUnsafe(state_dir);
  if (unsafe !== null) log.warn(unsafe);
  const opened = await Journal.open(state_dir, { onMoved: (path) => log.warn(describeMoved(path)) });
  const { journal, content } = opened;
  if (content.damaged > 0) log.warn(describeDamage(opened));
  const leftovers = await Leftovers.open(join(state_dir, 'children.json'), { processes, clock, log });
  const history = new History(content.incidents, clock, content.apps);
  const counters = new Counters(content.tallies);
  const changes = new Changes();
  const counted = (written: Promise<void>): Promise<void> =>
    written.catch((error: unknown) => {
      counters.journalError();
      throw error;
    });
  const notes = new AppNotes(history, { note: (app, state) => counted(journal.note(app, state)) });
  const waiting = new WaitingAsks(history);
  const meter = createMeter();
  const self = new SelfMetrics(meter, () => processes.openFds(process.pid));
  const vigil = new Vigil(clock, log);
  const deafUntil = () => vigil.blindUntil();
  const hub = new AgentHub({
    path: agent_socket, group: agent_socket_group, statsIntervalMs: sample_interval, clock, log, deafUntil,
  });
  const standstills = new Standstills({ hub, vigil, readSigns: signReader(), clock });
  const appConfig = (name: string) => config.current.apps.find((app) => app.name === name) ?? null;
  const pm2 = new Pm2Client({ home: pm2Home(process.env, homedir()), clock });
  const systemctls = { system: new Systemctl({ user: false }), user: new Systemctl({ user: true }) };
  const drain: Drain = ({ pid }, timeoutMs) => hub.drain(pid, timeoutMs);
  const lastWords = new LastWords(clock);
  const witness = new Witness({ hub, whyNoFiles, clock });
  const store = new EvidenceStore(state_dir);
  const evidence = new Evidence({
    store, witness, lastWords, hub, whyNoFiles, describe: incidentStatus, clock, log,
    lookAtStack: (pid, timeoutMs, signal) => lookAtStack(pid, processes, timeoutMs, signal),
  });
  const onWords: ChildParts['onOutput'] = (app, worker, stream, chunk) => {
    lastWords.push(app, worker, stream, chunk);
    onOutput(app, worker, stream, chunk);
  };
  const supervisorParts = {
    agentSocket: agent_socket, processes, finder: processFinder(processes), leftovers, pm2, systemctls, drain, appConfig,
    clock, log, onOutput: onWords,
  };
  const claims = new Claims({ processes, order: () => config.current.apps.map(({ name }) => name) });
  const supervisors = new SupervisorSet((app) => claims.guard(app.name, createSupervisor(app, supervisorParts)), log);
  const sampler = new Sampler(processes);
  const observer = new Observer({ supervisors: supervisors.byApp, sampler, hub, standstills, clock, log });
  const attachTo = (pid: number, app: string) =>
    attach(pid, { processes, app, agentSocket: agent_socket, timeoutMs: ATTACH_TIMEOUT_MS });
  const attacher = new Attacher({ hub, isNode, attach: attachTo, clock, log });
  const series = new SeriesBook(pace.series);
  const outlooks = new Outlooks({ series, app: appConfig, settings: pace.leak });
  const outlook = (worker: WorkerState): Outlook | null => outlooks.of(worker);
  const gain = (worker: WorkerState): Gain | null => {
    const [baseline, now] = [witness.of(worker)?.baseline.sample, sampleOf(worker)];
    return baseline && now ? gainSince(baseline, now) : null;
  };
  const releaseOf = releaseReader(clock);
  const restarter = new Restarter({
    app: appConfig,
    supervisors: supervisors.byApp,
    observer,
    journal,
    history,
    hasReported: async (process) => (await processes.tree(process)).some(({ pid }) => hub.report(pid)?.stats),
    wasDrained: async (process) => (await processes.tree(process)).some(({ pid }) => hub.report(pid)?.wasDrained),
    outlook: (worker) => outlooks.now(worker),
    gain,
    evidence,
    random: Math.random,
    clock,
    log,
    onIncident: (incident) => {
      counters.incident(incident, appConfig(incident.app) !== null);
      changes.tell('incidents', 'apps');
    },
    onJournalError: () => counters.journalError(),
  });
  const current = () => config.current;
  const intake = new Intake({ config: current, observer, restarter, waiting, onAlert: (decision) => counters.alert(decision as AlertDecision) });
  const schedules = new Schedules(notes, history, clock);
  const complete: Journal['complete'] = (id, outcome) => counted(journal.complete(id, outcome));
  const aftercare = new Aftercare({ history, journal: { complete }, notes, releaseOf, clock, log });
  const days = await DayKeeper.open({ stateDir: state_dir, clock, log });
  const onRound = (): void => {
    outlooks.look(observer.workers.values());
    changes.tell('status', 'apps');
  };
  const collections = new Collections({ hub, series });
  const kernelLog = new KernelLog();
  const deaths = new Deaths({
    supervisors: supervisors.byApp,
    kills: new OomKills(kernelLog),
    witness,
    postMortem: new PostMortem(store, incidentStatus),
    history,
    journal: { record: (death) => counted(journal.record(death)) },
    clock,
    log,
    onDeath: (death) => {
      counters.death(death);
      changes.tell('incidents', 'apps');
    },
  });
  const loop = new ControlLoop({
    config: current, onRound, observer, restarter, schedules, aftercare, attacher, waiting, series, days, witness, deaths,
    collections, clock, log,
  });
  return {
    processes, lock, journal, leftovers, history, notes, counters, meter, self, vigil, hub, pm2, supervisors, observer,
    series, days, pace, outlook, restarter, intake, attacher, loop, changes, kernelLog,
  };
}
