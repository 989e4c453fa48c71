import { join } from 'node:path';
import type { AlertAnswer, RestartRequest } from './act/intake.js';
import type { Answer } from './act/restarter.js';
import { advise } from './decide/advice.js';
import type { Pause } from './decide/gates.js';
import type { Webhook } from './decide/alerts.js';
import { messageOf } from './errors.js';
import { adviceRoute } from './http/advice.js';
import { alertsRoute } from './http/alerts.js';
import { appsRoutes } from './http/apps.js';
import { managementRoutes } from './http/management.js';
import { metricsRoute } from './http/metrics.js';
import { pauseRoutes } from './http/pause.js';
import { evidenceRoute } from './http/evidence.js';
import { historyRoute } from './http/history.js';
import type { WardenPort, WardenStatus } from './http/port.js';
import { restartRoute } from './http/restart.js';
import { hostRules } from './http/hosts.js';
import { closeServer, createServer, listen, type ListenAddress } from './http/server.js';
import { streamRoute } from './http/stream.js';
import { ensureToken, readToken } from './http/token.js';
import type { WebConfigFile } from './http/web-config/web-config-file.js';
import type { WorkerState } from './observe/tracker.js';
import type { Change } from './publish/changes.js';
import { appHistory, type AppHistory, type Range } from './publish/day.js';
import { appAdvice, pastRestartOf, type AppAdvice } from './publish/advice.js';
import type { View } from './publish/family.js';
import type { IncidentStatus } from './publish/incident-shape.js';
import { incidentStatus } from './publish/incidents.js';
import { forecastFamilies } from './publish/forecast.js';
import { limitFamilies } from './publish/limits.js';
import { processFamilies } from './publish/processes.js';
import { render, type Exposition } from './publish/render.js';
import { restartFamilies } from './publish/restarts.js';
import { runtimeFamilies } from './publish/runtime.js';
import { metricsTargetsOf, type TargetGroup } from './publish/service-discovery.js';
import type { AppStatus } from './publish/app-shape.js';
import { appStatuses } from './publish/status.js';
import { wardenFamilies } from './publish/warden.js';
import { openRooms, type Rooms, type RoomsOptions } from './rooms.js';
import { formatDuration } from './units.js';
import { pageRoutes } from './web/page.js';

export interface WardenOptions extends RoomsOptions {
  version: string;
  listen: ListenAddress;
  metricsPath: string;
  /** TLS and users; null or absent: neither. */
  webConfig?: WebConfigFile | null;
  /** Names by which it may be called beside its own. */
  allowedHosts?: readonly string[];
}

/** Milliseconds that processes get which an earlier warden left of apps that are no longer configured. */
const ABANDONED_STOP_TIMEOUT_MS = 10_000;

/** The whole: starts the rooms in order, reloads, answers for them, and closes them in reverse. */
export class Warden implements WardenPort {
  /** Where it listens, e.g. `http://127.0.0.1:9973`. */
  url = '';
  readonly #options: WardenOptions;
  readonly #parts: Rooms;
  /** What has been opened, to be closed in reverse. */
  readonly #opened: (() => unknown)[] = [];
  #ready = false;
  #closed: Promise<void> | undefined;

  private constructor(options: WardenOptions, parts: Rooms) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Resolves when everything has been measured once. Throws HeapwardenError, and leaves nothing open then. */
  static async start(options: WardenOptions): Promise<Warden> {
    const warden = new Warden(options, await openRooms(options));
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

  async metrics(exposition: Exposition): Promise<Buffer> {
    const { counters, self, observer } = this.#parts;
    const view = this.#view();
    const collectors = [
      { name: 'process', collect: () => processFamilies(view) },
      { name: 'runtime', collect: () => runtimeFamilies(view) },
      { name: 'limits', collect: () => limitFamilies(view) },
      { name: 'forecast', collect: () => forecastFamilies(view) },
      { name: 'restarts', collect: () => restartFamilies(view) },
      { name: 'counters', collect: () => counters.families() },
      { name: 'warden', collect: () => wardenFamilies(view) },
      { name: 'self', collect: () => self.families() },
    ];
    return render(collectors, observer.health, exposition, (collector, error) =>
      this.#options.log.error(`collector ${collector} failed: ${messageOf(error)}`, { collector }),
    );
  }

  receiveAlerts(webhook: Webhook, options: { mayWait: boolean }): Promise<AlertAnswer[]> {
    return this.#parts.intake.receiveAlerts(webhook, options);
  }

  requestRestart(request: RestartRequest): Promise<Answer[]> {
    return this.#parts.intake.requestRestart(request);
  }

  async pause(app: string, forMs: number | null): Promise<Pause | null> {
    if (!this.isConfigured(app)) return null;
    const { log, clock } = this.#options;
    const pause = await this.#parts.notes.pause(app, forMs, clock.now());
    this.#parts.changes.tell('apps');
    log.info(`${app}: paused by a person: no automatic restarts${forMs === null ? '' : ` for ${formatDuration(forMs)}`}`, { app });
    return pause;
  }

  async resume(app: string): Promise<boolean> {
    if (!this.isConfigured(app)) return false;
    await this.#parts.notes.resume(app, this.#options.clock.now());
    this.#parts.changes.tell('apps');
    this.#options.log.info(`${app}: resumed by a person: automatic restarts are allowed`, { app });
    return true;
  }

  isConfigured(app: string): boolean {
    return this.#options.config.current.apps.some(({ name }) => name === app);
  }

  apps(): AppStatus[] {
    return appStatuses(this.#view(), (app, worker) => this.#parts.restarter.isBusy(app, worker));
  }

  metricsTargets(): TargetGroup[] {
    return metricsTargetsOf(this.#options.config.current.apps);
  }

  /** Newest first. */
  incidents(filter: { app?: string | undefined; limit: number }): IncidentStatus[] {
    return this.#parts.history.list(filter).map(incidentStatus);
  }

  incident(id: string): IncidentStatus | null {
    const incident = this.#parts.history.find(id);
    return incident && incidentStatus(incident);
  }

  evidenceFile(incident: string, file: string): string | null {
    const found = this.#parts.history.find(incident);
    const evidence = found?.action === 'death' ? found.evidence : found?.outcome?.evidence;
    return evidence?.folder && evidence.files.includes(file) ? join(evidence.folder, file) : null;
  }

  status(): WardenStatus {
    const { config, clock, version } = this.#options;
    const { journal, days } = this.#parts;
    const { trigger, sample_interval } = config.current;
    return {
      version,
      now_seconds: clock.now() / 1000,
      sample_interval_seconds: sample_interval / 1000,
      trigger,
      config_ok: config.lastReload.successful,
      history_saved_seconds: days.savedAtMs === null ? null : days.savedAtMs / 1000,
      state_writable: !journal.hasFailed && !days.hasFailed,
    };
  }

  history(app: string, range: Range, worker?: string): AppHistory | null {
    const isKnown = this.isConfigured(app) || this.#workers().some((state) => state.app === app);
    if (!isKnown) return null;
    return appHistory(this.#parts.days.book, app, range, this.#options.clock.now(), worker);
  }

  onChange(listener: (changes: readonly Change[]) => void): () => void {
    return this.#parts.changes.on(listener);
  }

  advice(name?: string): AppAdvice[] | null {
    const { history, series, pace } = this.#parts;
    const apps = this.#options.config.current.apps.filter((app) => name === undefined || app.name === name);
    if (name !== undefined && apps.length === 0) return null;
    const workers = this.#workers();
    return apps.map((app) => {
      const restarts = history.list({ app: app.name, limit: Infinity }).flatMap((one) => (one.action === 'death' ? [] : (pastRestartOf(one) ?? [])));
      const own = workers.filter((worker) => worker.app === app.name);
      const facts = own.map((state) => ({
        state,
        history: series.of(state),
        restarts: restarts.filter(({ worker }) => worker === state.worker),
      }));
      return appAdvice(app.name, advise(app, facts, this.#options.clock.now(), pace));
    });
  }

  token(): Promise<string> {
    const { auth, state_dir: stateDir } = this.#options.config.current;
    return readToken(auth.token_file, { stateDir });
  }

  async #start(): Promise<void> {
    const { config, metricsPath, clock, log } = this.#options;
    const {
      processes, lock, journal, history, vigil, hub, pm2, supervisors, leftovers, observer, restarter, attacher, loop, days,
      counters, self, meter, kernelLog,
    } = this.#parts;
    const { current } = config;
    this.#opened.push(() => processes.close?.(), () => lock.release(), () => journal.close(), () => days.close());
    this.#opened.push(() => kernelLog.close(), () => meter.close(), () => self.close(), () => pm2.close());
    await ensureToken(current.auth.token_file, { stateDir: current.state_dir });
    const routes = [
      metricsRoute(this, metricsPath),
      managementRoutes(this),
      alertsRoute(this, log),
      restartRoute(this, { clock, log }),
      pauseRoutes(this),
      appsRoutes(this),
      historyRoute(this),
      streamRoute(this),
      evidenceRoute(this),
      adviceRoute(this),
      pageRoutes({ metricsPath }),
    ];
    vigil.start();
    this.#opened.push(() => vigil.close());
    await hub.listen();
    this.#opened.push(() => hub.close());
    const { listen: address, webConfig = null, allowedHosts = [] } = this.#options;
    const hosts = hostRules(address.host, allowedHosts);
    const web = webConfig ? { file: webConfig, token: () => this.token(), clock } : undefined;
    const server = createServer(routes, { version: this.version, log, hosts, web });
    // Listening comes before the apps are started: a taken port must not cost them a start and a stop.
    this.url = await listen(server, address, webConfig?.usesTls);
    const configured = new Set(current.apps.map(({ name }) => name));
    this.#opened.push(() => supervisors.close(), () => restarter.close(), () => attacher.close(), () => loop.close(), () => closeServer(server));
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
    const workers: WorkerState[] = [];
    for (const worker of observer.workers.values()) {
      workers.push(worker.agent ? { ...worker, agent: hub.report(worker.agent.pid) } : worker);
    }
    return workers;
  }

  #view(): View {
    const { observer, history, hub, outlook } = this.#parts;
    const { config, version, clock } = this.#options;
    return {
      nowMs: clock.now(),
      version,
      config: config.current,
      lastReload: config.lastReload,
      workers: this.#workers(),
      history,
      outlook,
      agentsConnected: hub.reports().length,
      health: observer.health,
    };
  }
}
