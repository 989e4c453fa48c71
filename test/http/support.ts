/** The web side of a warden that does what the test says. */
import type { FastifyInstance } from 'fastify';
import type { Test } from 'tap';
import type { AlertAnswer, RestartRequest } from '../../src/act/intake.js';
import type { Answer } from '../../src/act/restarter.js';
import type { Webhook } from '../../src/decide/alerts.js';
import type { Pause } from '../../src/decide/gates.js';
import { adviceRoute } from '../../src/http/advice.js';
import { alertsRoute } from '../../src/http/alerts.js';
import { appsRoutes } from '../../src/http/apps.js';
import { managementRoutes } from '../../src/http/management.js';
import { metricsRoute } from '../../src/http/metrics.js';
import type { AppAdvice } from '../../src/publish/advice.js';
import type { IncidentStatus } from '../../src/publish/incident-shape.js';
import { incidentStatus } from '../../src/publish/incidents.js';
import { pauseRoutes } from '../../src/http/pause.js';
import { evidenceRoute } from '../../src/http/evidence.js';
import { historyRoute } from '../../src/http/history.js';
import type { WardenPort, WardenStatus } from '../../src/http/port.js';
import { restartRoute } from '../../src/http/restart.js';
import type { HostRules } from '../../src/http/hosts.js';
import { createServer } from '../../src/http/server.js';
import type { WebConfigFile } from '../../src/http/web-config/web-config-file.js';
import { streamRoute } from '../../src/http/stream.js';
import { Changes, type Change } from '../../src/publish/changes.js';
import type { AppHistory, Range } from '../../src/publish/day.js';
import type { Exposition } from '../../src/publish/render.js';
import type { TargetGroup } from '../../src/publish/service-discovery.js';
import type { AppStatus } from '../../src/publish/app-shape.js';
import { pageRoutes } from '../../src/web/page.js';
import { FakeClock, MemoryLog, incidentOf } from '../act/support.js';

export const TOKEN = 'correct-horse';
export const BEARER = { authorization: `Bearer ${TOKEN}` };

export class FakeWarden implements WardenPort {
  version = '1.2.3';
  ready = true;
  currentToken = TOKEN;
  readonly webhooks: Webhook[] = [];
  readonly mayWait: boolean[] = [];
  readonly requests: RestartRequest[] = [];
  readonly pauses: unknown[] = [];
  readonly filters: unknown[] = [];
  readonly changes = new Changes();
  reloads = 0;
  /** What a request for a restart is answered; by default that it is done. */
  answers: Answer[] = [answerOf('restart', 'manual')];
  onReload: () => Promise<void> = async () => {};
  onMetrics: (exposition: Exposition) => Promise<string> = async (exposition) => `# ${exposition}\n`;
  onAlerts: () => Promise<AlertAnswer[]> = async () => [];
  readonly adviceOnRecord: AppAdvice[] = [];
  readonly incidentsOnRecord: IncidentStatus[] = [incidentStatus(incidentOf({ id: 'one' }))];

  metrics = (exposition: Exposition): Promise<string> => this.onMetrics(exposition);
  isReady = (): boolean => this.ready;
  token = async (): Promise<string> => this.currentToken;

  async reload(): Promise<void> {
    this.reloads++;
    await this.onReload();
  }

  receiveAlerts(webhook: Webhook, { mayWait }: { mayWait: boolean }): Promise<AlertAnswer[]> {
    this.webhooks.push(webhook);
    this.mayWait.push(mayWait);
    return this.onAlerts();
  }

  async requestRestart(request: RestartRequest): Promise<Answer[]> {
    this.requests.push(request);
    return this.answers;
  }

  async pause(app: string, forMs: number | null): Promise<Pause | null> {
    this.pauses.push([app, forMs]);
    return app === 'shop' ? { untilMs: forMs && 1_000_000 + forMs } : null;
  }

  async resume(app: string): Promise<boolean> {
    this.pauses.push([app, 'resume']);
    return app === 'shop';
  }

  apps(): AppStatus[] {
    const budget = { restart_budget_remaining: 5, restart_budget: { count: 5, window_seconds: 3600 } };
    return [{ app: 'shop', supervisor: 'pm2', managed: true, ...budget, dry_run: false, limits: {}, paused: null, workers: [] }];
  }

  metricsTargets(): TargetGroup[] {
    return [{ targets: ['127.0.0.1:3000'], labels: { app: 'shop' } }];
  }

  /** By incident and file. */
  readonly evidence = new Map<string, string>();

  evidenceFile(incident: string, file: string): string | null {
    return this.evidence.get(`${incident}/${file}`) ?? null;
  }

  status(): WardenStatus {
    const state = { history_saved_seconds: null, state_writable: true, config_ok: true };
    return { version: this.version, now_seconds: 1000, sample_interval_seconds: 5, trigger: 'embedded', ...state };
  }

  isConfigured = (app: string): boolean => this.apps().some((status) => status.managed && status.app === app);

  history(app: string, range: Range, _worker?: string): AppHistory | null {
    if (!this.apps().some((status) => status.app === app)) return null;
    return { app, start_seconds: 0, step_seconds: range === '1h' ? 10 : 120, workers: [] };
  }

  onChange = (listener: (changes: readonly Change[]) => void): (() => void) => this.changes.on(listener);

  incidents(filter: { app?: string | undefined; limit: number }): IncidentStatus[] {
    this.filters.push(filter);
    return this.incidentsOnRecord;
  }

  advice(app?: string): AppAdvice[] | null {
    return app === undefined || app === 'shop' ? this.adviceOnRecord : null;
  }

  incident(id: string): IncidentStatus | null {
    return this.incidentsOnRecord.find((incident) => incident.id === id) ?? null;
  }
}

export function answerOf(action: 'restart' | 'refuse', reason: Answer['reason'], worker = '0'): Answer {
  return { action, reason, sentence: `shop/${worker}: about it`, app: 'shop', worker, incident: 'one' } as Answer;
}

interface FakeServerOptions {
  metricsPath?: string;
  /** Of dist/, where a browser is to run it; src/ has no JavaScript. */
  page?: typeof pageRoutes;
  hosts?: HostRules;
  webConfig?: WebConfigFile;
}

export function serverOf(t: Pick<Test, 'teardown'>, options: FakeServerOptions = {}) {
  const { metricsPath = '/metrics', page = pageRoutes, hosts, webConfig } = options;
  const warden = new FakeWarden();
  const log = new MemoryLog();
  const clock = new FakeClock();
  const routes = [
    metricsRoute(warden, metricsPath),
    managementRoutes(warden),
    alertsRoute(warden, log),
    restartRoute(warden, { clock, log }),
    pauseRoutes(warden),
    appsRoutes(warden),
    historyRoute(warden),
    streamRoute(warden),
    evidenceRoute(warden),
    adviceRoute(warden),
    page({ metricsPath }),
  ];
  const web = webConfig && { file: webConfig, token: () => warden.token(), clock };
  const server: FastifyInstance = createServer(routes, { version: warden.version, log, ...(hosts ? { hosts } : {}), web });
  t.teardown(() => server.close());
  return { warden, log, clock, server };
}
