/**
 * The config file: types, defaults, JSON Schema and their meaning, in this one place.
 *
 * The TypeScript types are derived from the schema and describe the config as the program sees it: parsed, with
 * defaults filled in, sizes in bytes, durations in milliseconds, percentages as ratios. Keywords of our own:
 * `unit` says how the text of the file becomes that value (see readings.ts), `least` and `most` bound it, written as
 * in the file, `exactlyOne` names keys of which one must be given, and `expected` says in words what a `pattern` or
 * `anyOf` asks for.
 */
import { Type, type Static, type TSchema } from 'typebox';
import type { Budget } from '../units.js';

export type Unit = 'bytes' | 'duration' | 'percent' | 'budget' | 'cron' | 'time_zone' | 'regex' | 'url' | 'address';

interface Written {
  default?: string;
  least?: string;
  most?: string;
}

export const reading = <T>(unit: Unit, description: string, written: Written = {}) =>
  Type.Unsafe<T>({ unit, description, ...written });
export const duration = (description: string, byDefault: string, bounds: Pick<Written, 'least' | 'most'> = {}) =>
  reading<number>('duration', description, { default: byDefault, ...bounds });
// A limit of zero is always reached, and would restart for ever.
const bytesLimit = (description: string) => reading<number>('bytes', description, { least: '1MB' });
const percentLimit = (description: string) => reading<number>('percent', description, { least: '1%' });
const durationLimit = (description: string) => reading<number>('duration', description, { least: '1ms' });
// Node's timers overflow after 24.8 days and then fire at once.
const TIMER = { most: '1d' };
export const text = (description: string) => Type.String({ minLength: 1, description });
const flag = (description: string, byDefault: boolean) => Type.Boolean({ default: byDefault, description });
const oneOf = <T extends string>(values: readonly T[], byDefault: NoInfer<T>, description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: values, default: byDefault, description });
const only = <T extends boolean>(value: T, description: string) =>
  Type.Unsafe<T>({ type: 'boolean', enum: [value], description });
export const closed = { additionalProperties: false } as const;
export const optional = <T extends TSchema>(schema: T) => Type.Optional(schema);

// A restart limit of an app is reached when the value stays at or above it for `for`.
const limits = Type.Object(
  {
    rss: optional(
      Type.Object(
        {
          warning: optional(bytesLimit('resident memory at which to warn')),
          critical: optional(bytesLimit('resident memory at which a restart is near')),
          restart: optional(bytesLimit('resident memory at which to restart')),
          for: duration('how long a value must stay at or above a level', '30s'),
        },
        { ...closed, description: 'resident memory of the process tree (or the process, see `memory`)' },
      ),
    ),
    heap: optional(
      Type.Object(
        {
          warning: optional(percentLimit('share of the heap limit at which to warn')),
          critical: optional(percentLimit('share of the heap limit at which a restart is near')),
          restart: optional(percentLimit('share of the heap limit at which to restart')),
          for: duration('how long a value must stay at or above a level', '30s'),
        },
        { ...closed, description: "V8's used heap as a share of V8's own heap limit" },
      ),
    ),
    freeze: optional(
      Type.Object(
        {
          warning: optional(durationLimit('time without a turn at which to warn')),
          critical: optional(durationLimit('time without a turn at which a restart is near')),
          restart: optional(durationLimit('time without a turn at which to restart')),
        },
        { ...closed, description: 'how long the event loop has not turned' },
      ),
    ),
    uptime: optional(
      Type.Object(
        {
          warning: optional(durationLimit('age of the process at which to warn')),
          critical: optional(durationLimit('age of the process at which a restart is near')),
          restart: optional(durationLimit('age of the process at which to restart')),
        },
        { ...closed, description: 'how long the process has run' },
      ),
    ),
  },
  { ...closed, default: {} },
);

// systemd.unit(5). The name goes to systemctl, so no option (-) and no path; a star only for a template's instances.
const serviceName = {
  type: 'string',
  pattern:
    '^(?!-)(?!.*\\.(?:socket|target|timer|mount|automount|swap|path|slice|scope|device)$)' +
    '(?!.*@(?:\\.service)?$)[A-Za-z0-9:_.\\\\-]+(?:@(?:[A-Za-z0-9:_.\\\\-]+|\\*(?:\\.service)?))?$',
  maxLength: 255,
};

// The key names the kind.
const supervisor = Type.Object(
  {
    child: optional(
      Type.Object(
        {
          command: Type.Array(Type.String(), { minItems: 1, description: 'program and arguments; no shell' }),
          cwd: optional(text('working directory; relative to the config file')),
          env: Type.Record(Type.String(), Type.String(), {
            default: {},
            description: 'added to the inherited environment',
          }),
          instances: Type.Integer({ minimum: 1, maximum: 1000, default: 1, description: 'number of workers' }),
          listen: optional(
            reading<string>('address', 'host:port that heapwarden opens and all workers share; needs the agent'),
          ),
        },
        { ...closed, description: 'heapwarden itself runs the command' },
      ),
    ),
    pm2: optional(text("the app's name in PM2")),
    systemd: optional(
      Type.Unsafe<string | { unit: string; user?: boolean }>({
        anyOf: [
          serviceName,
          {
            type: 'object',
            properties: { unit: serviceName, user: { type: 'boolean' } },
            required: ['unit'],
            additionalProperties: false,
          },
        ],
        expected: 'a service such as "shop.service" or "shop@*.service", or { unit: shop, user: true }',
        description:
          "a systemd service, or all instances of a template (shop@*.service); with `user`, of heapwarden's own user",
      }),
    ),
    docker: optional(
      Type.Unsafe<string | { label: string }>({
        anyOf: [
          // As Docker takes names; an id would be another one after each `docker compose up`.
          { type: 'string', pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.-]+$' },
          {
            type: 'object',
            properties: { label: { type: 'string', pattern: '^[^=\\s]+(=.*)?$' } },
            required: ['label'],
            additionalProperties: false,
          },
        ],
        expected: 'the name of a container such as shop or a label such as { label: "com.example.app=shop" }',
        description: "a container's name, or a label of all the app's containers, each of which is a worker",
      }),
    ),
    external: optional(
      Type.Object(
        {
          pid_file: optional(text('file that holds the pid; relative to the config file')),
          port: optional(Type.Integer({ minimum: 1, maximum: 65_535, description: 'TCP port that the app listens on' })),
          // Unanchored, "server.js" would also find an editor that has the file open.
          match: optional(
            reading<string>(
              'regex',
              'regular expression on the command line (its arguments joined by spaces); ^ and $ anchor it',
            ),
          ),
          restart: Type.Unsafe<string[] | { signal: string }>({
            anyOf: [
              { type: 'array', items: { type: 'string' }, minItems: 1 },
              {
                type: 'object',
                // SIGUSR1 is not among them: it opens Node's inspector.
                properties: { signal: { type: 'string', enum: ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR2', 'SIGKILL'] } },
                required: ['signal'],
                additionalProperties: false,
              },
            ],
            expected: 'a command such as ["systemctl", "restart", "shop"] or a signal such as { signal: SIGTERM }',
            description: 'a command (no shell), or a signal that ends the process, whom something else then starts again',
          }),
          timeout: duration('most time the restart command may take', '60s', TIMER),
        },
        { ...closed, exactlyOne: ['pid_file', 'port', 'match'], description: 'anything else that has a pid' },
      ),
    ),
  },
  { ...closed, exactlyOne: ['child', 'pm2', 'systemd', 'docker', 'external'] },
);

const ready = Type.Object(
  {
    http: optional(reading<string>('url', 'ready when this URL answers')),
    status: optional(Type.Integer({ minimum: 100, maximum: 599, description: 'of http; without it, any 2xx or 3xx' })),
    tcp: optional(reading<string>('address', 'ready when host:port accepts a connection')),
    agent: optional(only(true, "ready with the agent's first report")),
    pm2: optional(only(true, "ready when the app has told PM2 so: process.send('ready'), with wait_ready")),
    timeout: duration('how long to wait for it', '30s', TIMER),
  },
  {
    ...closed,
    exactlyOne: ['http', 'tcp', 'agent', 'pm2'],
    description: 'when the new process counts as ready; without it, when it runs',
  },
);

const restart = Type.Object(
  {
    mode: oneOf(['graceful', 'stop_first'], 'graceful', 'graceful: new before old where the supervisor can'),
    stop_timeout: duration('from the stop signal to SIGKILL', '10s', TIMER),
    startup_grace: duration('a process younger than this is left alone', '30s'),
    cooldown: duration('least time between two restarts of one worker', '5m'),
    budget: reading<Budget>('budget', 'most restarts of an app in a window', { default: '5/1h' }),
    min_available: Type.Integer({
      minimum: 0,
      default: 1,
      description: 'workers of the app that must stay up during a restart',
    }),
    jitter: duration('random delay before a restart, up to this', '0s', TIMER),
    ready: optional(ready),
  },
  { ...closed, default: {} },
);

const evidence = Type.Object(
  {
    stack: flag('JavaScript stack of a frozen process', true),
    profile: flag('sampling heap profile from the warning level on', true),
    snapshot: flag('heap snapshot before a memory restart', false),
    timeout: duration('most time evidence may take', '5s', TIMER),
    keep: Type.Integer({ minimum: 0, default: 10, description: 'evidence folders kept per app' }),
  },
  { ...closed, default: {} },
);

// A cron time opens the window, for so long.
const windows = Type.Array(
  Type.Object(
    {
      cron: reading<string>('cron', 'when the window opens'),
      duration: reading<number>('duration', 'how long it stays open', { least: '1m', most: '31d' }),
    },
    { ...closed, required: ['cron', 'duration'] },
  ),
  { minItems: 1, description: 'restart only inside these windows; without them, at any time' },
);

const appSettings = {
  limits,
  schedule: optional(reading<string>('cron', 'restart at these times; five-field cron')),
  windows: optional(windows),
  outside_windows: oneOf(['freeze', 'nothing'], 'freeze', 'what is still restarted outside the windows'),
  time_zone: optional(reading<string>('time_zone', "of schedule and windows; without it, the machine's")),
  memory: oneOf(['tree', 'process'], 'tree', 'what rss means: the process and its children, or the process alone'),
  runtime: oneOf(['agent', 'inspector', 'none'], 'agent', 'where heap, GC and event-loop figures come from'),
  restart,
  evidence,
  dry_run: flag('decide, record and publish, but touch nothing', false),
  metrics: optional(reading<string>('url', "of the app's own metrics, for /api/v1/http_sd; as Prometheus reaches it")),
};

export const AppSchema = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: '^[^\\x00-\\x1f\\x7f]*$',
      expected: 'text without control characters',
      description: 'unique name of the app',
    }),
    supervisor,
    ...appSettings,
  },
  closed,
);

/** `defaults`: any key of an app, for all apps; nothing in it is required. */
export const DefaultsSchema = Type.Object(
  { supervisor: optional(supervisor), ...appSettings },
  { ...closed, description: 'any key of an app, for all apps' },
);

export const ConfigSchema = Type.Object(
  {
    trigger: oneOf(
      ['embedded', 'alertmanager', 'both'],
      'embedded',
      'who asks for restarts: heapwarden itself, Alertmanager, or Alertmanager with heapwarden stepping in',
    ),
    fallback_after: duration(
      'trigger both: how long a breach outlasts its `for` without an alert before heapwarden steps in',
      '2m',
    ),
    sample_interval: duration('time between two measurements', '5s', { least: '100ms', most: '1h' }),
    state_dir: optional(text('where the journal and the token live')),
    agent_socket: optional(text('Unix socket (named pipe on Windows) that agents report to')),
    agent_socket_group: optional(
      // A number: in a container, where agents of other users most often are, the names are others.
      Type.Integer({ minimum: 0, maximum: 4_294_967_294, description: 'id of a group whose users may report there, too' }),
    ),
    auth: Type.Object(
      { token_file: optional(text('made on first start, mode 0600, where missing')) },
      { ...closed, default: {} },
    ),
    defaults: optional(DefaultsSchema),
    apps: Type.Array(AppSchema, { default: [], description: 'the apps to watch' }),
  },
  { ...closed, description: 'heapwarden.yml' },
);

export type AppConfig = Static<typeof AppSchema>;
export type ReadyCheck = Static<typeof ready>;
export type ExternalConfig = NonNullable<AppConfig['supervisor']['external']>;
export type ChildConfig = NonNullable<AppConfig['supervisor']['child']>;
export type SystemdConfig = NonNullable<AppConfig['supervisor']['systemd']>;
export type DockerConfig = NonNullable<AppConfig['supervisor']['docker']>;

/** The config as the program sees it: `defaults` merged into each app, every path absolute. */
export type Config = Omit<Static<typeof ConfigSchema>, 'defaults' | 'state_dir' | 'agent_socket' | 'auth'> & {
  state_dir: string;
  agent_socket: string;
  auth: { token_file: string };
};

export const RESOURCES = ['rss', 'heap', 'freeze', 'uptime'] as const;
export type Resource = (typeof RESOURCES)[number];
export const LEVELS = ['warning', 'critical', 'restart'] as const;
export type Level = (typeof LEVELS)[number];
