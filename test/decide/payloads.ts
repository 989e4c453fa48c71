/**
 * What a real Alertmanager and a real Grafana send, key by key; the values are ours.
 * https://prometheus.io/docs/alerting/latest/configuration/#webhook_config (version 4, Alertmanager 0.25) and
 * https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
 */

const memoryLimit = {
  action: 'restart',
  alertname: 'HeapwardenMemoryLimit',
  app: 'shop',
  instance: '127.0.0.1:9973',
  job: 'heapwarden',
  reason: 'rss',
  severity: 'warning',
  worker: '1',
};
const annotations = { summary: 'shop/1 on 127.0.0.1:9973 reached its memory limit', description: 'Resident …' };
const generatorURL = 'http://box:9090/graph?g0.expr=heapwarden_process_resident_memory_bytes+%3E%3D+1&g0.tab=1';

/** One firing, one resolved, in one group. */
export const ALERTMANAGER = {
  receiver: 'heapwarden',
  status: 'firing',
  alerts: [
    {
      status: 'firing',
      labels: memoryLimit,
      annotations,
      startsAt: '2026-11-21T00:36:58.123456789+01:00',
      endsAt: '0001-01-01T00:00:00Z',
      generatorURL,
      fingerprint: '1a30ba71cca2921f',
    },
    {
      status: 'resolved',
      labels: { ...memoryLimit, alertname: 'HeapwardenHeapLimit', reason: 'heap' },
      annotations,
      startsAt: '2026-11-20T23:30:00Z',
      endsAt: '2026-11-20T23:35:10Z',
      generatorURL,
      fingerprint: '9bb41d3ac3f6c2ad',
    },
  ],
  groupLabels: { app: 'shop', instance: '127.0.0.1:9973', worker: '1' },
  commonLabels: { action: 'restart', app: 'shop', instance: '127.0.0.1:9973', job: 'heapwarden', worker: '1' },
  commonAnnotations: {},
  externalURL: 'http://box:9093',
  version: '4',
  groupKey: '{}/{action="restart"}:{app="shop", instance="127.0.0.1:9973", worker="1"}',
  truncatedAlerts: 0,
};

/** An alert of a person's own making: neither worker nor reason. */
export const GRAFANA = {
  receiver: 'heapwarden',
  status: 'firing',
  orgId: 1,
  alerts: [
    {
      status: 'firing',
      labels: { action: 'restart', alertname: 'Shop is slow', app: 'shop', grafana_folder: 'Shop' },
      annotations: { summary: 'The shop is slow' },
      startsAt: '2026-11-21T01:02:03.157076+02:00',
      endsAt: '0001-01-01T00:00:00Z',
      generatorURL: 'http://box:3000/alerting/grafana/1afz29v7z/view?orgId=1',
      fingerprint: 'c6eadffa33fcdf37',
      silenceURL: 'http://box:3000/alerting/silence/new?alertmanager=grafana&matcher=app%3Dshop&orgId=1',
      dashboardURL: '',
      panelURL: '',
      values: { B: 44.23943737541908, C: 1 },
      valueString: "[ var='B' labels={app=shop} value=44.23943737541908 ]",
    },
  ],
  groupLabels: { alertname: 'Shop is slow', grafana_folder: 'Shop' },
  commonLabels: { action: 'restart', alertname: 'Shop is slow', app: 'shop', grafana_folder: 'Shop' },
  commonAnnotations: { summary: 'The shop is slow' },
  externalURL: 'http://box:3000/',
  version: '1',
  groupKey: '{}:{alertname="Shop is slow", grafana_folder="Shop"}',
  truncatedAlerts: 0,
  title: '[FIRING:1] Shop is slow (shop)',
  state: 'alerting',
  message: '**Firing**\n\nValue: B=44.23943737541908, C=1',
};
