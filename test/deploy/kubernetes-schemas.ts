/**
 * JSON Schemas of the Kubernetes objects in deploy/kubernetes, written by hand from the API reference: of each object
 * what our files use and a little more, and nothing else, so that a misspelt key, which an API server would drop or
 * refuse, is found here.
 *   https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/
 *   https://prometheus-operator.dev/docs/api-reference/api/
 * A key that is missing here is to be looked up there first.
 */
import { Ajv, type ValidateFunction } from 'ajv';

type Schema = Record<string, unknown>;

/** An object with no other keys than these; a name that ends in `!` is required. */
function closed(keys: Record<string, Schema>): Schema {
  const names = Object.keys(keys);
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name.replace('!', ''), keys[name]])),
    required: names.filter((name) => name.endsWith('!')).map((name) => name.slice(0, -1)),
    additionalProperties: false,
  };
}
const list = (items: Schema, minItems = 1): Schema => ({ type: 'array', items, minItems });
const words = (...values: string[]): Schema => ({ enum: values });
const text: Schema = { type: 'string', minLength: 1 };
const flag: Schema = { type: 'boolean' };
const whole: Schema = { type: 'integer', minimum: 0 };
const port: Schema = { type: 'integer', minimum: 1, maximum: 65_535 };
// RFC 1123, as names of objects and of containers are; a port's name is an IANA service name of 15 characters at most.
const name: Schema = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', maxLength: 63 };
const portName: Schema = { type: 'string', pattern: '^(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?$', maxLength: 15 };
const portRef: Schema = { anyOf: [port, portName] };
const texts: Schema = { type: 'object', additionalProperties: { type: 'string' } };
const labels: Schema = {
  type: 'object',
  propertyNames: { pattern: '^([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$' },
  additionalProperties: { type: 'string', pattern: '^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$' },
};
const quantity: Schema = { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$' };
// prometheus-operator's Duration, in its one-unit form.
const duration: Schema = { type: 'string', pattern: '^[0-9]+(ms|s|m|h|d|w|y)$' };

const selector = closed({
  matchLabels: labels,
  matchExpressions: list(closed({ 'key!': text, 'operator!': words('In', 'NotIn', 'Exists', 'DoesNotExist'), values: list(text) })),
});
const resources = closed({
  requests: closed({ cpu: quantity, memory: quantity }),
  limits: closed({ cpu: quantity, memory: quantity }),
});
const seccompProfile = closed({ 'type!': words('RuntimeDefault', 'Unconfined', 'Localhost') });
const probe = closed({
  'httpGet!': closed({ 'path!': { type: 'string', pattern: '^/' }, 'port!': portRef }),
  periodSeconds: port,
  timeoutSeconds: port,
  failureThreshold: port,
});
const container = closed({
  'name!': name,
  'image!': text,
  command: list(text),
  args: list(text),
  env: list(closed({ 'name!': text, 'value!': { type: 'string' } })),
  ports: list(closed({ 'name!': portName, 'containerPort!': port })),
  startupProbe: probe,
  livenessProbe: probe,
  readinessProbe: probe,
  resources,
  securityContext: closed({
    runAsUser: whole,
    runAsGroup: whole,
    runAsNonRoot: flag,
    allowPrivilegeEscalation: flag,
    readOnlyRootFilesystem: flag,
    capabilities: closed({ add: list(text), drop: list(text) }),
    seccompProfile,
  }),
  volumeMounts: list(closed({ 'name!': name, 'mountPath!': { type: 'string', pattern: '^/' }, readOnly: flag })),
});
const volume: Schema = {
  ...closed({
    'name!': name,
    configMap: closed({ 'name!': name }),
    emptyDir: closed({ sizeLimit: quantity }),
    hostPath: closed({ 'path!': { type: 'string', pattern: '^/' }, type: words('', 'DirectoryOrCreate', 'Directory', 'Socket') }),
  }),
  // The name, and one kind of volume.
  minProperties: 2,
  maxProperties: 2,
};
const podTemplate = closed({
  'metadata!': closed({ 'labels!': labels }),
  'spec!': closed({
    hostPID: flag,
    shareProcessNamespace: flag,
    automountServiceAccountToken: flag,
    nodeSelector: labels,
    securityContext: closed({ runAsNonRoot: flag, runAsUser: whole, runAsGroup: whole, fsGroup: whole, seccompProfile }),
    initContainers: list(container),
    'containers!': list(container),
    volumes: list(volume),
  }),
});

const matcher = closed({ 'name!': text, 'matchType!': words('=', '!=', '=~', '!~'), 'value!': { type: 'string' } });
const routeKeys = {
  'receiver!': text,
  groupBy: list(text),
  groupWait: duration,
  groupInterval: duration,
  repeatInterval: duration,
  matchers: list(matcher),
  continue: flag,
};
const endpoint = closed({ 'port!': portName, path: text, interval: duration, scrapeTimeout: duration });

const inNamespace = closed({ 'name!': name, 'namespace!': name, labels });
const object = (apiVersion: string, kind: string, rest: Record<string, Schema>, metadata = inNamespace): [string, Schema] => [
  `${apiVersion} ${kind}`,
  closed({ 'apiVersion!': { const: apiVersion }, 'kind!': { const: kind }, 'metadata!': metadata, ...rest }),
];
const OPERATOR = 'monitoring.coreos.com';

const SCHEMAS: ReadonlyMap<string, Schema> = new Map([
  object('v1', 'Namespace', {}, closed({ 'name!': name, labels })),
  object('v1', 'ConfigMap', { 'data!': texts }),
  object('v1', 'Service', {
    'spec!': closed({ 'selector!': labels, 'ports!': list(closed({ 'name!': portName, 'port!': port, targetPort: portRef })) }),
  }),
  object('apps/v1', 'Deployment', { 'spec!': closed({ replicas: whole, 'selector!': selector, 'template!': podTemplate }) }),
  object('apps/v1', 'DaemonSet', { 'spec!': closed({ 'selector!': selector, 'template!': podTemplate }) }),
  object(`${OPERATOR}/v1`, 'PodMonitor', {
    'spec!': closed({
      'selector!': selector,
      namespaceSelector: closed({ any: flag, matchNames: list(name) }),
      'podMetricsEndpoints!': list(endpoint),
    }),
  }),
  object(`${OPERATOR}/v1`, 'ServiceMonitor', { 'spec!': closed({ 'selector!': selector, 'endpoints!': list(endpoint) }) }),
  object(`${OPERATOR}/v1`, 'PrometheusRule', {
    'spec!': closed({
      'groups!': list(
        closed({
          'name!': text,
          interval: duration,
          'rules!': list(closed({ 'alert!': text, 'expr!': text, for: duration, labels: texts, annotations: texts })),
        }),
      ),
    }),
  }),
  object(`${OPERATOR}/v1alpha1`, 'AlertmanagerConfig', {
    'spec!': closed({
      'route!': closed({ ...routeKeys, routes: list(closed(routeKeys)) }),
      'receivers!': list(
        closed({
          'name!': text,
          webhookConfigs: list(
            closed({
              'url!': { type: 'string', pattern: '^https?://' },
              sendResolved: flag,
              httpConfig: closed({
                authorization: closed({ type: text, 'credentials!': closed({ 'name!': name, 'key!': text }) }),
              }),
            }),
          ),
        }),
      ),
      inhibitRules: list(closed({ 'sourceMatch!': list(matcher), 'targetMatch!': list(matcher), equal: list(text) })),
    }),
  }),
]);

/** What is wrong with an object, by the schema of its apiVersion and kind, a line each; none where it is good. */
export function defectsOf(manifest: { apiVersion: string; kind: string }): string[] {
  const schema = SCHEMAS.get(`${manifest.apiVersion} ${manifest.kind}`);
  if (!schema) return [`there is no schema of ${manifest.apiVersion} ${manifest.kind}`];
  const validate: ValidateFunction = new Ajv({ allErrors: true }).compile(schema);
  validate(manifest);
  return (validate.errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`);
}
