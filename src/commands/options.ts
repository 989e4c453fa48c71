import { parseArgs } from 'node:util';
import { RESOURCES, type Resource } from '../config/schema.js';
import { HeapwardenError, messageOf } from '../errors.js';
import { parseListenAddress, type ListenAddress } from '../http/server.js';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../logger.js';

export const DEFAULT_CONFIG_FILE = 'heapwarden.yml';
export const DEFAULT_LISTEN_ADDRESS = '127.0.0.1:9973';

export const USAGE = `heapwarden: keeps leaky Node.js services inside their memory limits.

Usage:
  heapwarden serve [flags]         watch the apps, publish metrics, restart what crosses its limits
  heapwarden check [flags]         check the config file and say what is wrong with it
  heapwarden restart APP [flags]   ask a running heapwarden to restart an app
  heapwarden --help | --version

Flags of serve:
  --config.file=FILE               default: ${DEFAULT_CONFIG_FILE}; without one, only show the apps
                                   whose agents report in
  --web.listen-address=HOST:PORT   default: ${DEFAULT_LISTEN_ADDRESS}
  --web.telemetry-path=PATH        default: /metrics
  --log.level=LEVEL                ${LOG_LEVELS.join(', ')} (default: info)
  --log.format=FORMAT              ${LOG_FORMATS.join(', ')} (default: text)

Flags of check:
  --config.file=FILE               default: ${DEFAULT_CONFIG_FILE}

Flags of restart:
  --worker=SLOT                    one worker; default: every worker, one after the other
  --reason=REASON                  rss, heap, freeze or uptime: only where that limit is crossed now
                                   (default: manual)
  --force                          pass over grace, cooldown, budget and measurement
  --dry-run                        say what would be done, do nothing
  --url=URL                        of the running heapwarden (default: http://${DEFAULT_LISTEN_ADDRESS})
  --token.file=FILE                default: the one that the config file means
  --config.file=FILE               default: ${DEFAULT_CONFIG_FILE}

Exit status: 0 done, 1 failed or refused, 2 the command line makes no sense.
`;

export interface ServeOptions {
  configFile: string | null;
  listen: ListenAddress;
  metricsPath: string;
  level: LogLevel;
  format: LogFormat;
}

export interface RestartOptions {
  app: string;
  worker: string | null;
  reason: Resource | 'manual';
  force: boolean;
  dryRun: boolean;
  url: string;
  tokenFile: string | null;
  configFile: string | null;
}

export type Command =
  | { name: 'help' }
  | { name: 'version' }
  | { name: 'serve'; options: ServeOptions }
  | { name: 'check'; configFile: string | null }
  | { name: 'restart'; options: RestartOptions };

/** What the arguments after the program's name ask for. Throws HeapwardenError USAGE. */
export function parseCommand(argv: readonly string[]): Command {
  const [name, ...rest] = argv;
  if (argv.some((arg) => arg === '--help' || arg === '-h') || name === 'help') return { name: 'help' };
  if (name === '--version' || name === 'version') return { name: 'version' };
  switch (name) {
    case 'serve':
      return { name, options: serveOptions(rest) };
    case 'check': {
      const { values } = parse(rest, { 'config.file': { type: 'string' } }, 0);
      return { name, configFile: values['config.file'] ?? null };
    }
    case 'restart':
      return { name, options: restartOptions(rest) };
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
      'log.level': { type: 'string', default: 'info' },
      'log.format': { type: 'string', default: 'text' },
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
    level: oneOf(LOG_LEVELS, 'log.level', values['log.level']),
    format: oneOf(LOG_FORMATS, 'log.format', values['log.format']),
  };
}

function restartOptions(args: string[]): RestartOptions {
  const { values, positionals } = parse(
    args,
    {
      worker: { type: 'string' },
      reason: { type: 'string', default: 'manual' },
      force: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      url: { type: 'string', default: `http://${DEFAULT_LISTEN_ADDRESS}` },
      'token.file': { type: 'string' },
      'config.file': { type: 'string' },
    },
    1,
  );
  const [app] = positionals;
  if (app === undefined) throw usage('restart needs the name of an app');
  if (!/^https?:\/\//.test(values.url) || !URL.canParse(values.url)) {
    throw usage(`--url=${values.url} is not a URL such as http://${DEFAULT_LISTEN_ADDRESS}`);
  }
  return {
    app,
    worker: values.worker ?? null,
    reason: oneOf([...RESOURCES, 'manual'], 'reason', values.reason),
    force: values.force,
    dryRun: values['dry-run'],
    url: values.url,
    tokenFile: values['token.file'] ?? null,
    configFile: values['config.file'] ?? null,
  };
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
