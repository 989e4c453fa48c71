/** What the web side needs of the warden. */
import type { AlertAnswer, RestartRequest } from '../act/intake.js';
import type { Answer } from '../act/restarter.js';
import type { Webhook } from '../decide/alerts.js';
import type { Pause } from '../decide/gates.js';
import type { IncidentStatus } from '../publish/incidents.js';
import type { Exposition } from '../publish/render.js';
import type { AppStatus } from '../publish/status.js';
import type { TargetGroup } from '../publish/service-discovery.js';

export interface WardenPort {
  version: string;
  metrics(exposition: Exposition): Promise<string>;
  /** Config loaded, supervisors started, everything measured once. */
  isReady(): boolean;
  reload(): Promise<void>;
  /**
   * Decides on every alert; resolves when each restart's intent is on disk. `mayWait`: one that is refused only for now is
   * kept, and asked about again.
   */
  receiveAlerts(webhook: Webhook, options: { mayWait: boolean }): Promise<AlertAnswer[]>;
  /** One answer a worker; an unknown app gets one as well. */
  requestRestart(request: RestartRequest): Promise<Answer[]>;
  /**
   * No automatic restarts of the app for `forMs` milliseconds, or until it is resumed; null where no such app is
   * configured. Throws HeapwardenError JOURNAL_UNWRITABLE.
   */
  pause(app: string, forMs: number | null): Promise<Pause | null>;
  /** Also forgives restarts that did not help; false where no such app is configured. Throws as pause does. */
  resume(app: string): Promise<boolean>;
  apps(): AppStatus[];
  /** Where the apps' own metrics are, for Prometheus. */
  metricsTargets(): TargetGroup[];
  incidents(filter: { app?: string | undefined; limit: number }): IncidentStatus[];
  incident(id: string): IncidentStatus | null;
  /** The token as it is on disk now. */
  token(): Promise<string>;
}
