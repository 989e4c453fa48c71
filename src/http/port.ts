/** What the web side needs of the warden. */
import type { AlertAnswer, RestartRequest } from '../act/intake.js';
import type { Answer } from '../act/restarter.js';
import type { Webhook } from '../decide/alerts.js';
import type { Pause } from '../decide/gates.js';
import type { Change } from '../publish/changes.js';
import type { AppHistory, Range } from '../publish/day.js';
import type { AppAdvice } from '../publish/advice.js';
import type { IncidentStatus } from '../publish/incident-shape.js';
import type { Exposition } from '../publish/render.js';
import type { AppStatus } from '../publish/app-shape.js';
import type { TargetGroup } from '../publish/service-discovery.js';

/** The warden itself, for people to see. */
export interface WardenStatus {
  version: string;
  /** Unix time. */
  now_seconds: number;
  sample_interval_seconds: number;
  trigger: string;
  /** false: the last reload failed, and the config before it stays. */
  config_ok: boolean;
  /** When the history was last on disk; null: not yet. */
  history_saved_seconds: number | null;
  /** false: the journal or the history cannot be written. */
  state_writable: boolean;
}

export interface WardenPort {
  version: string;
  metrics(exposition: Exposition): Promise<Buffer | string>;
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
  isConfigured(app: string): boolean;
  apps(): AppStatus[];
  /** Where the apps' own metrics are, for Prometheus. */
  metricsTargets(): TargetGroup[];
  incidents(filter: { app?: string | undefined; limit: number }): IncidentStatus[];
  /** Of every configured app, or of this one; null where it is not configured. */
  advice(app?: string): AppAdvice[] | null;
  incident(id: string): IncidentStatus | null;
  /** Where a file of an incident's evidence was put; null for one that the incident does not name. */
  evidenceFile(incident: string, file: string): string | null;
  status(): WardenStatus;
  /** Of all the app's workers, or of this one; null for an app that is neither configured nor running. */
  history(app: string, range: Range, worker?: string): AppHistory | null;
  /** Calls after each change, and returns what ends that. */
  onChange(listener: (changes: readonly Change[]) => void): () => void;
  /** The token as it is on disk now. */
  token(): Promise<string>;
}
