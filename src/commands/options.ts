import { parseArgs } from 'node:util';
import { RESOURCES, type Resource } from '../config/schema.js';
import { HeapwardenError, messageOf } from '../errors.js';
import { parseListenAddress, type ListenAddress } from '../http/server.js';
import { parseDuration } from '../units.js';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../logger.js';

export const DEFAULT_CONFIG_FILE = 'heapwarden.yml';
export const DEFAULT_RELAY_FILE = 'relay.yml';
export const DEFAULT_LISTEN_ADDRESS = '127.0.0.1:9973';

export const USAGE = `heapwarden: keeps leaky Node.js services inside their memory limits.

Usage:
  heapwarden serve [flags]         watch the apps, publish metrics, restart what crosses its limits
  heapwarden init [flags]          look at what runs on this machine and write a config file for it
  heapwarden check [flags]         check the config file and say what is wrong with it
  heapwarden restart APP [flags]   ask a running heapwarden to restart an app
  heapwarden pause APP [flags]     no automatic restarts of an app, until it is resumed
  heapwarden resume APP [flags]    allow them again; also after restarts that did not help
  heapwarden monitor               watch the apps in this terminal, live; in a pipe: once, as lines
  heapwarden status                one look: what is not as it should be; also by its exit status
  heapwarden apps                  what runs: a line for each worker
  heapwarden incidents [APP]       what was restarted or not, and why; newest first
  heapwarden relay [flags]         pass Alertmanager's word on to the heapwardens of many machines
  heapwarden doctor                find what is wrong with the installation, and the line to change
  heapwarden advise [APP]          what to change, by what was measured: leaks, limits, heap size
  heapwarden attach PID            load the agent into a Node.js process that runs already
  heapwarden --help | --version

Flags of serve:
  --config.file=FILE               default: ${DEFAULT_CONFIG_FILE}; without one, only show the apps
                                   whose agents report in
  --web.listen-address=HOST:PORT   default: ${DEFAULT_LISTEN_ADDRESS}
  --web.telemetry-path=PATH        default: /metrics
  --web.config.file=FILE           TLS, client certificates and users, as the Prometheus exporter
                                   toolkit has them
  --web.allowed-host=NAME          a name by which a proxy or a browser calls heapwarden, beside its
                                   IP addresses, localhost and the machine's name; may be repeated
  --log.level=LEVEL                ${LOG_LEVELS.join(', ')} (default: info)
  --log.format=FORMAT              ${LOG_FORMATS.join(', ')} (default: text)

Flags of init:
  --config.file=FILE               default: ${DEFAULT_CONFIG_FILE}
  --force                          write over a file that is there already

Flags of relay:
  --config.file=FILE               default: ${DEFAULT_RELAY_FILE}
  --web.config.file=FILE, --web.allowed-host=NAME   as of serve
  --log.level=LEVEL, --log.format=FORMAT

Flags of check:
  --config.file=FILE               default: ${DEFAULT_CONFIG_FILE}
  --web.config.file=FILE           checked, too, with its certificates

Flags of restart:
  --worker=SLOT                    one worker; default: every worker, one after the other
  --reason=REASON                  rss, heap, freeze or uptime: only where that limit is crossed now
                                   (default: manual)
  --force                          pass over the measurement and every gate: pause, window, grace,
                                   cooldown, budget, min_available
  --dry-run                        say what would be done, do nothing

Flags of pause:
  --for=DURATION                   such as 2h; default: until it is resumed

Flags of monitor:
  --once                           print what is to be seen and end
  --json                           the same as JSON: status, apps, incidents, advice

Flags of status and apps:
  --json                           for programs

Flags of incidents:
  --limit=N                        how many (default: 20, at most 1000)
  --json                           as /api/v1/incidents has them

Flags of doctor:
  --json                           findings and what was not checked, as JSON
  --prometheus.url=URL             whose clock is compared (default: http://127.0.0.1:9090, and
                                   http://127.0.0.1:9093; none with trigger: embedded)
  --alertmanager.url=URL

Flags of advise:
  --json                           as /api/v1/advice has it

Flags of attach:
  --app=NAME                       default: the name that PM2, npm or the script has for it
  --config.file=FILE               default: ${DEFAULT_CONFIG_FILE}; it names the agent socket

Flags of restart, pause, resume, monitor, status, apps, incidents, advise and doctor:
  --url=URL                        of the running heapwarden (default: http://${DEFAULT_LISTEN_ADDRESS})
  --token.file=FILE                not of doctor; default: the one that the config file means
  --config.file=FILE               default: ${DEFAULT_CONFIG_FILE}
  --cacert=FILE                    of an https URL: who signed its certificate, in PEM
                                   (NODE_EXTRA_CA_CERTS does as well)
  --cert=FILE --key=FILE           the certificate to show, and its key, in PEM
  Where the web config has users: HEAPWARDEN_BASIC_AUTH=user:password in the environment

Exit status: 0 done, 1 failed, refused, or doctor found a problem (0 with warnings and notes alone),
2 the command line makes no sense. Of status: 0 all is normal; 1 something is not: a worker that
is down or at a warning, critical or restart limit, restarts that did not help or are used up, a
state file that cannot be written, a config that failed to reload; 3 that is not known: no
heapwarden answers, or it asks who wants to know.
`;

/** How the port is protected. */
export interface WebOptions {
  webConfigFile: string | null;
  /** Names by which it may be called beside its own. */
  allowedHosts: string[];
}

export interface ServeOptions extends WebOptions {
  configFile: string | null;
  listen: ListenAddress;
  metricsPath: string;
  level: LogLevel;
  format: LogFormat;
}

export interface RelayCommandOptions extends WebOptions {
  configFile: string;
  level: LogLevel;
  format: LogFormat;
}

/** Where the running warden is, and what it asks of those who change something. */
export interface ClientOptions {
  url: string;
  /** null: the one that the config file means. */
  tokenFile: string | null;
  configFile: string | null;
  /** `user:password`, where they stood in the URL. */
  basicAuth?: string;
  /** Files in PEM. */
  tls?: { ca?: string; cert?: string; key?: string };
}

export interface PauseOptions extends ClientOptions {
  app: string;
  /** A duration as written; null: until it is resumed. */
  duration: string | null;
}

export interface ResumeOptions extends ClientOptions {
  app: string;
}

export interface IncidentsOptions extends ClientOptions {
  app: string | null;
  limit: number;
  json: boolean;
}

export interface MonitorOptions extends ClientOptions {
  once: boolean;
  json: boolean;
}

/** Of status and apps. */
export interface LookOptions extends ClientOptions {
  json: boolean;
}

/** Whose clocks are compared; null: where they listen by default, where they matter. */
export interface PeerUrls {
  prometheusUrl: string | null;
  alertmanagerUrl: string | null;
}

export interface DoctorOptions extends PeerUrls, Pick<ClientOptions, 'basicAuth' | 'tls'> {
  /** Of the running heapwarden. */
  url: string;
  configFile: string | null;
  json: boolean;
}

export interface AdviseOptions extends ClientOptions {
  app: string | null;
  json: boolean;
}

export interface InitOptions {
  configFile: string | null;
  force: boolean;
}

export interface AttachOptions {
  pid: number;
  app: string | null;
  configFile: string | null;
}

export interface RestartOptions extends ClientOptions {
  app: string;
  worker: string | null;
  reason: Resource | 'manual';
  force: boolean;
  dryRun: boolean;
}

export type Command =
  | { name: 'help' }
  | { name: 'version' }
  | { name: 'serve'; options: ServeOptions }
  | { name: 'init'; options: InitOptions }
  | { name: 'relay'; options: RelayCommandOptions }
  | { name: 'check'; configFile: string | null; webConfigFile: string | null }
  | { name: 'restart'; options: RestartOptions }
  | { name: 'pause'; options: PauseOptions }
  | { name: 'resume'; options: ResumeOptions }
  | { name: 'monitor'; options: MonitorOptions }
  | { name: 'status'; options: LookOptions }
  | { name: 'apps'; options: LookOptions }
  | { name: 'incidents'; options: IncidentsOptions }
  | { name: 'doctor'; options: DoctorOptions }
  | { name: 'advise'; options: AdviseOptions }
  | { name: 'attach'; options: AttachOptions };

/** What the arguments after the program's name ask for. Throws HeapwardenError USAGE. */
export function parseCommand(argv: readonly string[]): Command {
  const [name, ...rest] = argv;
  if (argv.some((arg) => arg === '--help' || arg === '-h') || name === 'help') return { name: 'help' };
  if (name === '--version' || name === 'version') return { name: 'version' };
  switch (name) {
    case 'serve':
      return { name, options: serveOptions(rest) };
    case 'init': {
      const { values } = parse(rest, { 'config.file': { type: 'string' }, force: { type: 'boolean', default: false } }, 0);
      return { name, options: { configFile: values['config.file'] ?? null, force: values.force } };
    }
    case 'relay':
      return { name, options: relayOptions(rest) };
    case 'check': {
      const { values } = parse(rest, { 'config.file': { type: 'string' }, 'web.config.file': { type: 'string' } }, 0);
      return { name, configFile: values['config.file'] ?? null, webConfigFile: values['web.config.file'] || null };
    }
    case 'restart':
      return { name, options: restartOptions(rest) };
    case 'pause':
      return { name, options: pauseOptions(rest) };
    case 'resume':
      return { name, options: resumeOptions(rest) };
    case 'monitor':
      return { name, options: monitorOptions(rest) };
    case 'status':
    case 'apps':
      return { name, options: lookOptions(rest) };
    case 'incidents':
      return { name, options: incidentsOptions(rest) };
    case 'doctor':
      return { name, options: doctorOptions(rest) };
    case 'advise':
      return { name, options: adviseOptions(rest) };
    case 'attach':
      return { name, options: attachOptions(rest) };
    default:
      throw usage(name === undefined ? 'say what to do' : `there is no command "${name}"`);
  }
}

function serveOptions(args: string[]): ServeOptions {
  const { values } = parse(
    args,
    {
      'config.file': { type: 'string' },
      'web.listen-address': { type: 'string', default: DEFAULT_LISTEN_ADDRESS },
      'web.telemetry-path': { type: 'string', default: '/metrics' },
      ...WEB_FLAGS,
      ...LOG_FLAGS,
    },
    0,
  );
  const listen = parseListenAddress(values['web.listen-address']);
  if (!listen) throw usage(`--web.listen-address=${values['web.listen-address']} is not HOST:PORT`);
  const metricsPath = values['web.telemetry-path'];
  if (!/^\/[\w/.-]+$/.test(metricsPath)) {
    throw usage(`--web.telemetry-path=${metricsPath} is not a path such as /metrics`);
  }
  if (/^\/(?:-|api)(?:\/|$)/.test(metricsPath)) {
    throw usage(`--web.telemetry-path=${metricsPath} is taken: what begins with /-/ or /api/ is heapwarden's own`);
  }
  return {
    configFile: values['config.file'] ?? null,
    listen,
    metricsPath,
    ...webOptions(values),
    ...logOptions(values),
  };
}

function relayOptions(args: string[]): RelayCommandOptions {
  const { values } = parse(args, { 'config.file': { type: 'string', default: DEFAULT_RELAY_FILE }, ...WEB_FLAGS, ...LOG_FLAGS }, 0);
  return { configFile: values['config.file'], ...webOptions(values), ...logOptions(values) };
}

function restartOptions(args: string[]): RestartOptions {
  const { values, positionals } = parse(
    args,
    {
      ...CLIENT_FLAGS,
      worker: { type: 'string' },
      reason: { type: 'string', default: 'manual' },
      force: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
    },
    1,
  );
  return {
    ...clientOptions(values),
    app: appOf('restart', positionals),
    worker: values.worker ?? null,
    reason: oneOf([...RESOURCES, 'manual'], 'reason', values.reason),
    force: values.force,
    dryRun: values['dry-run'],
  };
}

function pauseOptions(args: string[]): PauseOptions {
  const { values, positionals } = parse(args, { ...CLIENT_FLAGS, for: { type: 'string' } }, 1);
  const duration = values.for ?? null;
  if (duration !== null && !parseDuration(duration)) throw usage(`--for=${duration} is not a duration such as 2h or 1h30m`);
  return { ...clientOptions(values), app: appOf('pause', positionals), duration };
}

function resumeOptions(args: string[]): ResumeOptions {
  const { values, positionals } = parse(args, CLIENT_FLAGS, 1);
  return { ...clientOptions(values), app: appOf('resume', positionals) };
}

function monitorOptions(args: string[]): MonitorOptions {
  const flags = { ...CLIENT_FLAGS, once: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } as const;
  const { values } = parse(args, flags, 0);
  return { ...clientOptions(values), once: values.once, json: values.json };
}

function lookOptions(args: string[]): LookOptions {
  const { values } = parse(args, { ...CLIENT_FLAGS, json: { type: 'boolean', default: false } }, 0);
  return { ...clientOptions(values), json: values.json };
}

function incidentsOptions(args: string[]): IncidentsOptions {
  const flags = { ...CLIENT_FLAGS, limit: { type: 'string', default: '20' }, json: { type: 'boolean', default: false } } as const;
  const { values, positionals } = parse(args, flags, 1);
  const limit = Number(values.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw usage(`--limit=${values.limit} is not a number from 1 to 1000`);
  return { ...clientOptions(values), app: positionals[0] ?? null, limit, json: values.json };
}

function doctorOptions(args: string[]): DoctorOptions {
  const flags = {
    url: CLIENT_FLAGS.url,
    ...TLS_FLAGS,
    'config.file': { type: 'string' },
    'prometheus.url': { type: 'string' },
    'alertmanager.url': { type: 'string' },
    json: { type: 'boolean', default: false },
  } as const;
  const { values } = parse(args, flags, 0);
  const peer = (flag: 'prometheus.url' | 'alertmanager.url'): string | null => {
    const url = values[flag] ?? null;
    return url === null ? null : checkedUrl(flag, url);
  };
  return {
    ...wardenOf(values),
    configFile: values['config.file'] ?? null,
    prometheusUrl: peer('prometheus.url'),
    alertmanagerUrl: peer('alertmanager.url'),
    json: values.json,
  };
}

function adviseOptions(args: string[]): AdviseOptions {
  const { values, positionals } = parse(args, { ...CLIENT_FLAGS, json: { type: 'boolean', default: false } }, 1);
  return { ...clientOptions(values), app: positionals[0] ?? null, json: values.json };
}

function attachOptions(args: string[]): AttachOptions {
  const { values, positionals } = parse(args, { app: { type: 'string' }, 'config.file': { type: 'string' } }, 1);
  const [pid] = positionals;
  if (pid === undefined) throw usage('attach needs the pid of a process');
  if (!/^[1-9]\d{0,9}$/.test(pid)) throw usage(`"${pid}" is not the pid of a process`);
  return { pid: Number(pid), app: values.app || null, configFile: values['config.file'] ?? null };
}

const WEB_FLAGS = {
  'web.config.file': { type: 'string' },
  'web.allowed-host': { type: 'string', multiple: true, default: [] as string[] },
} as const;

/** An empty file name is none, as in the toolkit: unit files pass variables on. */
function webOptions(values: { 'web.config.file'?: string; 'web.allowed-host': readonly string[] }): WebOptions {
  const allowedHosts = [...values['web.allowed-host']];
  for (const name of allowedHosts) {
    if (!/^[\w.-]+$/.test(name)) throw usage(`--web.allowed-host=${name} is not a name such as warden.example, without scheme and port`);
  }
  return { webConfigFile: values['web.config.file'] || null, allowedHosts };
}

const LOG_FLAGS = {
  'log.level': { type: 'string', default: 'info' },
  'log.format': { type: 'string', default: 'text' },
} as const;

function logOptions(values: { 'log.level': string; 'log.format': string }): { level: LogLevel; format: LogFormat } {
  return {
    level: oneOf(LOG_LEVELS, 'log.level', values['log.level']),
    format: oneOf(LOG_FORMATS, 'log.format', values['log.format']),
  };
}

const TLS_FLAGS = { cacert: { type: 'string' }, cert: { type: 'string' }, key: { type: 'string' } } as const;

const CLIENT_FLAGS = {
  url: { type: 'string', default: `http://${DEFAULT_LISTEN_ADDRESS}` },
  'token.file': { type: 'string' },
  'config.file': { type: 'string' },
  ...TLS_FLAGS,
} as const;

interface TlsValues {
  cacert?: string;
  cert?: string;
  key?: string;
}

function clientOptions(values: TlsValues & { url: string; 'token.file'?: string; 'config.file'?: string }): ClientOptions {
  return { ...wardenOf(values), tokenFile: values['token.file'] ?? null, configFile: values['config.file'] ?? null };
}

/** Where the running warden is, and how it is called. A password is taken out of the URL, which is shown and logged. */
function wardenOf({ url, cacert, cert, key }: TlsValues & { url: string }): Pick<ClientOptions, 'url' | 'basicAuth' | 'tls'> {
  if ((cert === undefined) !== (key === undefined)) throw usage('--cert and --key belong together; give both or neither');
  const parsed = new URL(checkedUrl('url', url));
  const { username, password } = parsed;
  parsed.username = parsed.password = '';
  const tls = { ...(cacert ? { ca: cacert } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
  return {
    url: username === '' && password === '' ? url : parsed.href,
    ...(username === '' && password === '' ? {} : { basicAuth: `${decoded(username)}:${decoded(password)}` }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  };
}

/** The URL itself stays unsaid: there is a password in it. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw usage('the user and password in --url must be percent-encoded (% is %25)');
  }
}

function checkedUrl(flag: string, url: string): string {
  if (/^https?:\/\//.test(url) && URL.canParse(url)) return url;
  const shown = url.replace(/^.*@/s, '…@'); // a user and a password stay unsaid
  throw usage(`--${flag}=${shown} is not a URL such as http://${DEFAULT_LISTEN_ADDRESS}`);
}

function appOf(command: string, [app]: string[]): string {
  if (app === undefined) throw usage(`${command} needs the name of an app`);
  return app;
}

function parse<const O extends NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>>(
  args: string[],
  options: O,
  positionalsAllowed: number,
) {
  try {
    const parsed = parseArgs({ args, options, allowPositionals: true, strict: true });
    const extra = parsed.positionals[positionalsAllowed];
    if (extra === undefined) return parsed;
    throw new Error(`what is "${extra}" for?`);
  } catch (error) {
    throw usage(messageOf(error));
  }
}

function oneOf<T extends string>(values: readonly T[], flag: string, value: string): T {
  const found = values.find((candidate) => candidate === value);
  if (found === undefined) throw usage(`--${flag}=${value} is none of ${values.join(', ')}`);
  return found;
}

function usage(problem: string): HeapwardenError {
  return new HeapwardenError('USAGE', `${problem}\nRun heapwarden --help for the commands and flags.`);
}
