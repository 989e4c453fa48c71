/** The manifests for the Prometheus Operator, from the very files that are used without it. Pure. */
import { Document, isScalar, parse, visit } from 'yaml';
import { alertmanagerSpec, type AlertmanagerFile } from './alertmanager-config.js';

/** Texts of the files that the manifests are made from. */
export interface Sources {
  /** rules/*.rules.yml, by name without the ending. */
  rules: Readonly<Record<string, string>>;
  /** deploy/alertmanager.yml */
  alertmanager: string;
  /** deploy/prometheus.yml */
  prometheus: string;
}

interface PrometheusFile {
  global: { scrape_interval: string; evaluation_interval: string };
}

const NAMESPACE = 'shop';
const NODE_NAMESPACE = 'heapwarden';
const PORT = 'heapwarden';
const SIDECAR = { host: `heapwarden.${NAMESPACE}.svc:9973`, secret: { name: 'heapwarden-token', key: 'token' } };

/** File names, beside sidecar.yml, to what is in them. */
export function manifests({ rules, alertmanager, prometheus }: Sources): Record<string, string> {
  const { global } = parse(prometheus) as PrometheusFile;
  const ruleDocuments = Object.entries(rules).map(([name, text]) => prometheusRule(name, text, global.evaluation_interval));
  return {
    'prometheus-rule.yml': RULE_HEADER + ruleDocuments.join('---\n'),
    'alertmanager-config.yml': ALERTMANAGER_HEADER + write(alertmanagerConfig(alertmanager)),
    'alertmanager-config-node.yml': NODE_ALERTMANAGER_HEADER + write(nodeAlertmanagerConfig(alertmanager)),
    'pod-monitor.yml': POD_MONITOR_HEADER + write(podMonitor(global.scrape_interval)),
    'service-monitor.yml': SERVICE_MONITOR_HEADER + write(serviceMonitor(global.scrape_interval)),
  };
}

const of = (apiVersion: string, kind: string, name: string, namespace = NAMESPACE) => ({
  apiVersion: `monitoring.coreos.com/${apiVersion}`,
  kind,
  metadata: { name, namespace },
});

/** Line by line, with the comments: whoever reads a rule here wants to know why as well. */
function prometheusRule(name: string, text: string, interval: string): string {
  const groups = text.slice(text.search(/^groups:$/m));
  // The operator's own default is 30 s, and a freeze limit is a matter of seconds.
  const timed = groups.replace(/^ {2}- name: .+$/gm, `$&\n    interval: ${interval}`);
  return `${write(of('v1', 'PrometheusRule', name))}spec:\n${timed.replace(/^(?=.)/gm, '  ')}`;
}

/** In short lines, and with `=` in quotes: plain, YAML 1.1 takes it for more than text (https://yaml.org/type/value.html). */
function write(manifest: object): string {
  const document = new Document(manifest);
  visit(document, {
    Scalar: (_, scalar) => {
      if (scalar.value === '=') scalar.type = 'QUOTE_SINGLE';
    },
    Seq: (_, list) => {
      list.flow = list.items.every((item) => isScalar(item));
    },
    Map: (_, map) => {
      map.flow = map.has('matchType');
    },
  });
  return document.toString({ lineWidth: 120 });
}

function alertmanagerConfig(text: string) {
  const spec = alertmanagerSpec(parse(text) as AlertmanagerFile, SIDECAR);
  return { ...of('v1alpha1', 'AlertmanagerConfig', 'heapwarden'), spec };
}

/** Wardens of nodes act by themselves; and whether an app runs on another node they cannot know. */
function nodeAlertmanagerConfig(text: string) {
  const file = parse(text) as AlertmanagerFile;
  const people = file.receivers.filter(({ webhook_configs }) => webhook_configs === undefined);
  const unknowable = { receiver: 'nobody', matchers: ['alertname=~"Heapwarden(AppDown|WorkerDown)"'] };
  const route = { ...file.route, routes: [unknowable] };
  const spec = alertmanagerSpec({ ...file, route, receivers: [...people, { name: 'nobody' }] }, SIDECAR);
  return { ...of('v1alpha1', 'AlertmanagerConfig', 'heapwarden-node', NODE_NAMESPACE), spec };
}

function podMonitor(interval: string) {
  return {
    ...of('v1', 'PodMonitor', 'heapwarden'),
    spec: {
      namespaceSelector: { matchNames: [NAMESPACE, NODE_NAMESPACE] },
      selector: { matchExpressions: [{ key: 'heapwarden', operator: 'Exists' }] },
      podMetricsEndpoints: [{ port: PORT, interval }],
    },
  };
}

function serviceMonitor(interval: string) {
  return {
    ...of('v1', 'ServiceMonitor', 'heapwarden'),
    spec: {
      selector: { matchLabels: { 'app.kubernetes.io/name': 'heapwarden' } },
      endpoints: [{ port: PORT, interval }],
    },
  };
}

const MADE = '`npm run manifests` makes this file; a test holds it against what it is made from.';

const RULE_HEADER = `# For the Prometheus Operator: rules/*.rules.yml as they are.
# ${MADE}
#
# Your Prometheus has to select it: kube-prometheus-stack looks for \`release: NAME-OF-THE-HELM-RELEASE\` among the labels
# of each PrometheusRule and monitor, unless ruleSelectorNilUsesHelmValues is false. Do not send it through a Helm
# template, which takes {{ $labels }} for its own.
`;

const ALERTMANAGER_HEADER = `# For the Prometheus Operator: deploy/alertmanager.yml in its words.
# ${MADE}
#
# \`people\` are nobody until you edit that receiver.
#
# The receiver \`heapwarden\` is wanted with \`trigger: alertmanager\` or \`both\`, and only while one pod has a heapwarden
# (\`replicas: 1\`): the Service hands an alert to any of its pods, and the wrong one refuses it (not_breaching). For more
# pods take \`trigger: embedded\` as in sidecar.yml, leave out the route and the receiver \`heapwarden\`, and use the rest
# for what people are told. Or put a \`heapwarden relay\` at that URL, which has to be told the pods as its targets.
#
# The token: make it a Secret, and heapwarden's own by a volume and auth.token_file:
#   kubectl -n ${NAMESPACE} create secret generic heapwarden-token --from-literal=token="$(openssl rand -base64 32)"
#
# The operator lets it match alerts of this namespace alone (alertmanagerConfigMatcherStrategy: OnNamespace); for those
# of the DaemonSet there is alertmanager-config-node.yml.
#
# kube-prometheus-stack mutes alerts of \`severity: info\` in a namespace while none there is more severe, by its alert
# InfoInhibitor. HeapwardenUptimeLimit is such an alert, and the restart that it asks for is muted with it: add
# 'action!="restart"' to that inhibition's target_matchers (alertmanager.config.inhibit_rules in the chart's values).
`;

const NODE_ALERTMANAGER_HEADER = `# For the Prometheus Operator: what deploy/alertmanager.yml says of people, for the alerts of the DaemonSet's wardens,
# which are of its namespace. These restart by themselves (\`trigger: embedded\`), so there is no webhook.
# ${MADE}
#
# \`people\` are nobody until you edit that receiver. \`nobody\` shall be told what a node cannot know: whether an app that
# has no pod on it is down (HeapwardenAppDown, HeapwardenWorkerDown).
`;

const POD_MONITOR_HEADER = `# For the Prometheus Operator: scrapes the sidecars and the DaemonSet, by the label \`heapwarden\` of their pods, as
# often as deploy/prometheus.yml.
# ${MADE}
#
# HeapwardenDown finds the job by \`heapwarden\` in its name, which is this object's. Do not have podTargetLabels set
# \`app\` or \`worker\`: these are heapwarden's own.
`;

const SERVICE_MONITOR_HEADER = `# For the Prometheus Operator: in place of pod-monitor.yml, never beside it, since twice scraped is twice alerted.
# Scrapes what the Service in sidecar.yml names.
# ${MADE}
`;
