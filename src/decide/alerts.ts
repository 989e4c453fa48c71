/**
 * Pure: what an Alertmanager webhook (version 4) or a Grafana one says, in our words.
 * Formats: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config and
 * https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
 * Only the keys below are read; all others are ignored.
 */
import Type, { type Static } from 'typebox';
import { RESOURCES, type Resource } from '../config/schema.js';
import type { AlertRef } from './decision.js';

const AlertSchema = Type.Object({
  status: Type.String({ description: 'firing or resolved' }),
  labels: Type.Record(Type.String(), Type.String()),
  startsAt: Type.String({ description: 'RFC 3339' }),
  endsAt: Type.Optional(Type.String({ description: 'RFC 3339; 0001-01-01T00:00:00Z while there is no end' })),
  fingerprint: Type.String({ maxLength: 200 }),
});

export const WebhookSchema = Type.Object({ alerts: Type.Array(AlertSchema) });
export type Webhook = Static<typeof WebhookSchema>;

/** `ignored`: firing, but without `action="restart"`; `resolved`: it is over; `invalid`: it cannot be acted upon. */
export type AlertKind = 'restart' | 'ignored' | 'resolved' | 'invalid';

export interface AlertRequest {
  kind: AlertKind;
  app: string;
  /** null: every worker of the app. */
  worker: string | null;
  /** The resource it claims to be over its limit; null where the alert does not say. */
  resource: Resource | null;
  alert: AlertRef;
}

/** As in the config: no app has a longer name, and none may be put into the journal by way of an alert. */
const MAX_NAME = 200;

export function readAlerts(webhook: Webhook): AlertRequest[] {
  return webhook.alerts.map(({ status, labels, startsAt, endsAt, fingerprint }) => {
    const startsAtMs = Date.parse(startsAt);
    const end = endsAt === undefined ? Number.NaN : Date.parse(endsAt);
    const reason = RESOURCES.find((resource) => resource === labels['reason']);
    return {
      kind: kindOf(status, labels, startsAtMs),
      app: (labels['app'] ?? '').slice(0, MAX_NAME),
      worker: labels['worker']?.slice(0, MAX_NAME) || null,
      resource: reason ?? null,
      alert: { fingerprint, startsAtMs, endsAtMs: end > startsAtMs ? end : null },
    };
  });
}

function kindOf(status: string, labels: Record<string, string>, startsAtMs: number): AlertKind {
  if (status === 'resolved') return 'resolved';
  if (labels['action'] !== 'restart') return 'ignored';
  const { app = '', worker = '' } = labels;
  const namesFit = app !== '' && app.length <= MAX_NAME && worker.length <= MAX_NAME;
  return status === 'firing' && Number.isFinite(startsAtMs) && namesFit ? 'restart' : 'invalid';
}
