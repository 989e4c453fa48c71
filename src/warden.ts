import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Aftercare } from './act/aftercare.js';
import { AppNotes } from './act/app-notes.js';
import { History } from './act/history.js';
import { Intake, type AlertAnswer, type RestartRequest } from './act/intake.js';
import { Journal } from './act/journal.js';
import { StateLock } from './act/lock.js';
import { ControlLoop } from './act/loop.js';
import { Restarter, type Answer } from './act/restarter.js';
import { Schedules } from './act/schedules.js';
import { WaitingAsks } from './act/waiting-asks.js';
import { createMeter } from './agent/meter.cjs';
import type { Clock } from './clock.js';
import type { AppConfig } from './config/schema.js';
import type { ConfigStore } from './config/store.js';
import type { Pause } from './decide/gates.js';
import type { Webhook } from './decide/alerts.js';
import { HeapwardenError, messageOf } from './errors.js';
import { alertsRoute } from './http/alerts.js';
import { appsRoutes } from './http/apps.js';
import { managementRoutes } from './http/management.js';
import { metricsRoute } from './http/metrics.js';
import { pauseRoutes } from './http/pause.js';
import type { WardenPort } from './http/port.js';
import { restartRoute } from './http/restart.js';
import { closeServer, createServer, listen, type ListenAddress } from './http/server.js';
import { ensureToken, readToken } from './http/token.js';
import type { Log } from './log.js';
import { AgentHub } from './observe/hub.js';
import { Observer } from './observe/observer.js';
import { processSource, type ProcessSource } from './observe/processes.js';
import { releaseOf } from './observe/release.js';
import { Sampler } from './observe/sampler.js';
import { signReader } from './observe/signs.js';
import { Standstills } from './observe/standstill.js';
import type { WorkerState } from './observe/tracker.js';
import { Vigil } from './observe/vigil.js';
import { Counters, type AlertDecision } from './publish/counters.js';
import type { View } from './publish/family.js';
import { incidentStatus, type IncidentStatus } from './publish/incidents.js';
import { limitFamilies } from './publish/limits.js';
import { processFamilies } from './publish/processes.js';
import { render, type Exposition } from './publish/render.js';
import { restartFamilies } from './publish/restarts.js';
import { runtimeFamilies } from './publish/runtime.js';
import { SelfMetrics } from './publish/self.js';
import { appStatuses, type AppStatus } from './publish/status.js';
import { wardenFamilies } from './publish/warden.js';
import { ChildSupervisor } from './supervisors/child.js';
import type { OutputStream } from './supervisors/child-run.js';
import type { Drain, Supervisor } from './supervisors/contract.js';
import { Leftovers } from './supervisors/leftovers.js';
import { formatDuration } from './units.js';
import { Pm2Supervisor, pm2Home } from './supervisors/pm2.js';
import { Pm2Client } from './supervisors/pm2-rpc.js';
import { SupervisorSet } from './supervisors/set.js';
import { landingRoute } from './web/landing.js';

export interface WardenOptions {
  version: string;
  config: ConfigStore;
  listen: ListenAddress;
  metricsPath: string;
  clock: Clock;
  log: Log;
  /** What child apps write. */
  onOutput(app: string, worker: string, stream: OutputStream, chunk: Buffer): void;
}

/** Milliseconds that processes get which an earlier warden left of apps that are no longer configured. */
const ABANDONED_STOP_TIMEOUT_MS = 10_000;

/** The composition root: every room is built and wired here, and nowhere else. */
export class Warden implements WardenPort {
  /** Where it listens, e.g. `http://127.0.0.1:9973`. */
  url = '';
  readonly #options: WardenOptions;
  readonly #parts: Parts;
  /** What has been opened, to be closed in reverse. */
  readonly #opened: (() => unknown)[] = [];
  #ready = false;
  #closed: Promise<void> | undefined;

  private constructor(options: WardenOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Resolves when everything has been measured once. Throws HeapwardenError, and leaves nothing open then. */
  static async start(options: WardenOptions): Promise<Warden> {
    const warden = new Warden(options, await assemble(options));
    try {
      await warden.#start();
    } catch (error) {
      await warden.close();
      throw error;
    }
    return warden;
  }

  get version(): string {
    return this.#options.version;
  }

  async close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#ready = false;
      for (const close of this.#opened.toReversed()) {
        await Promise.resolve(close()).catch((error: unknown) => this.#options.log.error(messageOf(error)));
      }
    })();
    await this.#closed;
  }

  isReady(): boolean {
    return this.#ready;
  }

  /** Throws HeapwardenError; the running config stays then, and a metric says so. */
  async reload(): Promise<void> {
    const { config, log } = this.#options;
    try {
      const { after } = await config.reload();
      this.#parts.hub.setStatsInterval(after.sample_interval);
      this.#parts.counters.expect(after.apps.map(({ name }) => name), this.#parts.history.list({ limit: Infinity }));
      await this.#parts.supervisors.apply(after.apps);
      log.info('config reloaded');
    } catch (error) {
      log.error(`the running config stays; failed to reload:\n${messageOf(error)}`);
      throw error;
    }
  }

  async metrics(exposition: Exposition): Promise<string> {
    const { counters, self, observer } = this.#parts;
    const view = this.#view();
    const collectors = [
      { name: 'process', collect: () => processFamilies(view) },
      { name: 'runtime', collect: () => runtimeFamilies(view) },
      { name: 'limits', collect: () => limitFamilies(view) },
      { name: 'restarts', collect: () => restartFamilies(view) },
      { name: 'counters', collect: () => counters.families() },
      { name: 'warden', collect: () => wardenFamilies(view) },
      { name: 'self', collect: () => self.families() },
    ];
    return render(collectors, observer.health, exposition, (collector, error) =>
      this.#options.log.error(`collector ${collector} failed: ${messageOf(error)}`, { collector }),
    );
  }

  receiveAlerts(webhook: Webhook): Promise<AlertAnswer[]> {
    return this.#parts.intake.receiveAlerts(webhook);
  }

  requestRestart(request: RestartRequest): Promise<Answer[]> {
    return this.#parts.intake.requestRestart(request);
  }

  async pause(app: string, forMs: number | null): Promise<Pause | null> {
    if (!this.#isConfigured(app)) return null;
    const { log, clock } = this.#options;
    log.info(`${app}: paused by a person: no automatic restarts${forMs === null ? '' : ` for ${formatDuration(forMs)}`}`, { app });
    return this.#parts.notes.pause(app, forMs, clock.now());
  }

  async resume(app: string): Promise<boolean> {
    if (!this.#isConfigured(app)) return false;
    await this.#parts.notes.resume(app, this.#options.clock.now());
    this.#options.log.info(`${app}: resumed by a person: automatic restarts are allowed`, { app });
    return true;
  }

  apps(): AppStatus[] {
    const { history, restarter } = this.#parts;
    const isBusy = (app: string, worker: string) => restarter.isBusy(app, worker);
    return appStatuses(this.#options.config.current, this.#workers(), history, isBusy, this.#options.clock.now());
  }

  /** Newest first. */
  incidents(filter: { app?: string | undefined; limit: number }): IncidentStatus[] {
    return this.#parts.history.list(filter).map(incidentStatus);
  }

  incident(id: string): IncidentStatus | null {
    const incident = this.#parts.history.find(id);
    return incident && incidentStatus(incident);
  }

  token(): Promise<string> {
    return readToken(this.#options.config.current.auth.token_file);
  }

  #isConfigured(app: string): boolean {
    return this.#options.config.current.apps.some(({ name }) => name === app);
  }

  async #start(): Promise<void> {
    const { config, metricsPath, version, clock, log } = this.#options;
    const { lock, journal, history, vigil, hub, pm2, supervisors, leftovers, observer, restarter, loop, counters, self, meter } =
      this.#parts;
    const { current } = config;
    this.#opened.push(() => lock.release(), () => journal.close(), () => meter.close(), () => self.close(), () => pm2.close());
    await ensureToken(current.auth.token_file);
    const routes = [
      metricsRoute(this, metricsPath),
      managementRoutes(this),
      alertsRoute(this, log),
      restartRoute(this, { clock, log }),
      pauseRoutes(this),
      appsRoutes(this),
      landingRoute({ version, metricsPath }),
    ];
    vigil.start();
    this.#opened.push(() => vigil.close());
    await hub.listen();
    this.#opened.push(() => hub.close());
    const server = createServer(routes, log);
    // Listening comes before the apps are started: a taken port must not cost them a start and a stop.
    this.url = await listen(server, this.#options.listen);
    const configured = new Set(current.apps.map(({ name }) => name));
    this.#opened.push(() => supervisors.close(), () => restarter.close(), () => loop.close(), () => closeServer(server));
    for (const app of leftovers.apps) if (!configured.has(app)) await leftovers.stop(app, ABANDONED_STOP_TIMEOUT_MS);
    counters.expect([...configured], history.list({ limit: Infinity }));
    await supervisors.apply(current.apps);
    await observer.observe();
    void restarter.finishInterrupted(); // may take as long as a restart; its workers count as busy meanwhile
    loop.start();
    this.#ready = true;
  }

  /**
   * As of the last look, but with what the agents have said since: a heartbeat as old as that would look frozen. An
   * agent that has gone since is none any more.
   */
  #workers(): WorkerState[] {
    const { observer, hub } = this.#parts;
    return [...observer.workers.values()].map((worker) => ({
      ...worker,
      agent: worker.agent && hub.report(worker.agent.pid),
    }));
  }

  #view(): View {
    const { observer, history, hub } = this.#parts;
    const { config, version, clock } = this.#options;
    return {
      nowMs: clock.now(),
      version,
      config: config.current,
      lastReload: config.lastReload,
      workers: this.#workers(),
      history,
      agentsConnected: hub.reports().length,
      health: observer.health,
    };
  }
}

type Parts = Awaited<ReturnType<typeof assemble>>;

/** Builds the rooms; opens the state folder and nothing else. */
async function assemble({ config, clock, log, onOutput }: WardenOptions) {
  const { state_dir, agent_socket, sample_interval } = config.current;
  const processes = processSource();
  const lock = await StateLock.take(state_dir, processes);
  const { journal, content, setAside } = await Journal.open(state_dir);
  if (content.damaged > 0) log.warn(damageOf(content.damaged, setAside));
  const leftovers = await Leftovers.open(join(state_dir, 'children.json'), { processes, clock, log });
  const history = new History(content.incidents, clock, content.apps);
  const notes = new AppNotes(history, journal);
  const waiting = new WaitingAsks();
  const counters = new Counters();
  const meter = createMeter();
  const self = new SelfMetrics(meter);
  const vigil = new Vigil(clock, log);
  const deafUntil = () => vigil.blindUntil();
  const hub = new AgentHub({ path: agent_socket, statsIntervalMs: sample_interval, clock, log, deafUntil });
  const standstills = new Standstills({ hub, vigil, readSigns: signReader(), clock });
  const appConfig = (name: string) => config.current.apps.find((app) => app.name === name) ?? null;
  const pm2 = new Pm2Client({ home: pm2Home(process.env, homedir()), clock });
  const drain: Drain = ({ pid }, timeoutMs) => hub.drain(pid, timeoutMs);
  const supervisorParts = { agentSocket: agent_socket, processes, leftovers, pm2, drain, appConfig, clock, log, onOutput };
  const supervisors = new SupervisorSet((app) => createSupervisor(app, supervisorParts), log);
  const sampler = new Sampler(processes);
  const observer = new Observer({ supervisors: supervisors.byApp, sampler, hub, standstills, clock, log });
  const restarter = new Restarter({
    app: appConfig,
    supervisors: supervisors.byApp,
    observer,
    journal,
    history,
    hasReported: async (process) => (await processes.tree(process)).some(({ pid }) => hub.report(pid)?.stats),
    releaseOf,
    random: Math.random,
    clock,
    log,
    onIncident: (incident) => counters.incident(incident, appConfig(incident.app) !== null),
    onJournalError: () => counters.journalError(),
  });
  const current = () => config.current;
  const intake = new Intake({ config: current, observer, restarter, waiting, onAlert: (decision) => counters.alert(decision as AlertDecision) });
  const schedules = new Schedules(notes, clock);
  const aftercare = new Aftercare({ history, journal, notes, releaseOf, clock, log });
  const loop = new ControlLoop({ config: current, observer, restarter, schedules, aftercare, waiting, clock, log });
  return { lock, journal, leftovers, history, notes, counters, meter, self, vigil, hub, pm2, supervisors, observer, restarter, intake, loop };
}

function damageOf(lines: number, setAside: string | null): string {
  const kept = setAside === null ? 'they stay where they are' : `the file as it was is kept as ${setAside}`;
  return `${lines} ${lines === 1 ? 'line' : 'lines'} of the journal could not be read; all others were taken over, and ${kept}`;
}

interface SupervisorParts {
  agentSocket: string;
  processes: ProcessSource;
  leftovers: Leftovers;
  /** One for all its apps, so that one list serves them. */
  pm2: Pm2Client;
  drain: Drain;
  /** The app's config as it is now; null where it is no longer configured. */
  appConfig(name: string): AppConfig | null;
  clock: Clock;
  log: Log;
  onOutput: WardenOptions['onOutput'];
}

function createSupervisor(app: AppConfig, parts: SupervisorParts): Supervisor {
  const { child, pm2 } = app.supervisor;
  if (child) {
    const agentEntry = app.runtime === 'agent' ? fileURLToPath(import.meta.resolve('heapwarden/agent')) : null;
    // As it is when it is needed: a reload may change it, and the app itself is not touched by that.
    const stopTimeoutMs = () => (parts.appConfig(app.name) ?? app).restart.stop_timeout;
    return new ChildSupervisor({ ...parts, app: app.name, config: child, agentEntry, stopTimeoutMs });
  }
  if (pm2 !== undefined) {
    const readyMessageMs = () => {
      const { ready } = (parts.appConfig(app.name) ?? app).restart;
      return ready?.pm2 ? ready.timeout : null;
    };
    const home = pm2Home(process.env, homedir());
    return new Pm2Supervisor({ ...parts, name: pm2, home, client: parts.pm2, readyMessageMs });
  }
  throw new HeapwardenError('CONFIG_INVALID', `${app.name}: its supervisor is not available in this version`);
}
