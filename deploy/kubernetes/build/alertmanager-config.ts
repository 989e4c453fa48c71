/**
 * deploy/alertmanager.yml in the words of the Prometheus Operator: AlertmanagerConfig, monitoring.coreos.com/v1alpha1
 * (https://prometheus-operator.dev/docs/api-reference/api/). What it has no words for here is an error, not left out.
 */

/** Keys of deploy/alertmanager.yml that are known here; any other is refused. */
interface Route {
  receiver?: string;
  group_by?: string[];
  group_wait?: string;
  group_interval?: string;
  repeat_interval?: string;
  matchers?: string[];
  continue?: boolean;
  routes?: Route[];
}
interface Webhook {
  url: string;
  send_resolved?: boolean;
  http_config?: { authorization: { credentials_file: string } };
}
interface Receiver {
  name: string;
  webhook_configs?: Webhook[];
}
interface InhibitRule {
  source_matchers: string[];
  target_matchers: string[];
  equal: string[];
}
export interface AlertmanagerFile {
  route: Route;
  receivers: Receiver[];
  inhibit_rules: InhibitRule[];
}

export interface Target {
  /** In place of the host and port of each webhook's URL. */
  host: string;
  /** In place of the credentials' file. */
  secret: { name: string; key: string };
}

/** The spec of the AlertmanagerConfig. Throws Error where the file says what this cannot translate. */
export function alertmanagerSpec({ route, receivers, inhibit_rules, ...others }: AlertmanagerFile, target: Target) {
  mustBeEmpty(others);
  return {
    route: routeOf(route),
    receivers: receivers.map(({ name, webhook_configs, ...others }) => {
      mustBeEmpty(others);
      return { name, ...(webhook_configs && { webhookConfigs: webhook_configs.map((webhook) => webhookOf(webhook, target)) }) };
    }),
    inhibitRules: inhibit_rules.map(({ source_matchers, target_matchers, equal, ...others }) => {
      mustBeEmpty(others);
      return { sourceMatch: source_matchers.map(matcherOf), targetMatch: target_matchers.map(matcherOf), equal };
    }),
  };
}

interface OperatorRoute {
  receiver?: string;
  groupBy?: string[];
  groupWait?: string;
  groupInterval?: string;
  repeatInterval?: string;
  matchers?: Matcher[];
  continue?: boolean;
  routes?: OperatorRoute[];
}

function routeOf(route: Route): OperatorRoute {
  const { receiver, group_by, group_wait, group_interval, repeat_interval, matchers, continue: goesOn, routes, ...others } = route;
  mustBeEmpty(others);
  return {
    ...(receiver && { receiver }),
    ...(matchers && { matchers: matchers.map(matcherOf) }),
    ...(group_by && { groupBy: group_by }),
    ...(group_wait && { groupWait: group_wait }),
    ...(group_interval && { groupInterval: group_interval }),
    ...(repeat_interval && { repeatInterval: repeat_interval }),
    ...(goesOn && { continue: goesOn }),
    ...(routes && { routes: routes.map(routeOf) }),
  };
}

function webhookOf({ url, send_resolved, http_config, ...others }: Webhook, { host, secret }: Target) {
  mustBeEmpty(others);
  return {
    url: `http://${host}${new URL(url).pathname}`,
    ...(send_resolved !== undefined && { sendResolved: send_resolved }),
    ...(http_config && { httpConfig: { authorization: { type: 'Bearer', credentials: secret } } }),
  };
}

interface Matcher {
  name: string;
  matchType: string;
  value: string;
}

function matcherOf(text: string): Matcher {
  const [, name, matchType, value] = /^(\w+)(=~|!~|!=|=)"([^"\\]*)"$/.exec(text) ?? [];
  if (name === undefined || matchType === undefined || value === undefined) throw new Error(`not a matcher: ${text}`);
  return { name, matchType, value };
}

function mustBeEmpty(others: object): void {
  const keys = Object.keys(others);
  if (keys.length > 0) throw new Error(`no words for ${keys.join(', ')}: add them to deploy/kubernetes/build`);
}
