/** The relay's config file: types, defaults and meaning, with the words of heapwarden.yml's schema. */
import { Type, type Static } from 'typebox';
import { closed, duration, optional, reading, text } from '../config/schema.js';

// Node's timers overflow after 24.8 days and then fire at once.
const TIMER = { least: '100ms', most: '1d' };

const targets = Type.Object(
  {
    file_sd: optional(
      Type.Object(
        {
          files: Type.Array(
            Type.String({
              pattern: '^[^*]*(\\*[^/*]*)?\\.(json|yml|yaml)$',
              expected: 'a path that ends in .json, .yml or .yaml, with at most one * in its last part',
            }),
            { minItems: 1, description: "as in Prometheus's file_sd_configs" },
          ),
          refresh_interval: duration('how often the files are read', '30s', TIMER),
        },
        { ...closed, required: ['files'] },
      ),
    ),
    http_sd: optional(
      Type.Object(
        {
          url: reading<string>('url', "as in Prometheus's http_sd_configs"),
          refresh_interval: duration('how often it is asked', '1m', TIMER),
        },
        { ...closed, required: ['url'] },
      ),
    ),
  },
  { ...closed, exactlyOne: ['file_sd', 'http_sd'], description: 'the wardens; nobody else is ever called' },
);

const wardens = Type.Object(
  {
    token_file: Type.String({
      minLength: 1,
      description: 'one for all, or a template such as tokens/{instance}: any label of the target in braces',
    }),
    scheme: Type.Unsafe<'http' | 'https'>({
      type: 'string',
      enum: ['http', 'https'],
      default: 'http',
      description: 'of targets without a __scheme__ label',
    }),
    tls: Type.Object(
      {
        ca_file: optional(text('PEM; without it, what Node.js trusts')),
        cert_file: optional(text('PEM; the certificate the relay shows')),
        key_file: optional(text('PEM; its key')),
        server_name: optional(text("the name in the wardens' certificates, where it is not the target's host")),
      },
      { ...closed, default: {} },
    ),
    timeout: duration('for one request to a warden', '5s', TIMER),
  },
  { ...closed, required: ['token_file'] },
);

const retry = Type.Object(
  {
    first: duration('before the second attempt; doubled for each one after it', '1s', TIMER),
    most: duration('between two attempts at most', '15s', TIMER),
    max_age: duration('an alert that Alertmanager has not repeated for so long is given up', '1h', { least: '1m', most: '31d' }),
  },
  { ...closed, default: {} },
);

const brake = Type.Object(
  {
    max_restarts: Type.Integer({ minimum: 1, description: 'machines on which an app is restarted at the same time' }),
    min_up: reading<number>('percent', "share of an app's workers that must be known to be up", { default: '50%' }),
    refresh_interval: duration('how often the wardens are asked while an alert is held', '5s', TIMER),
  },
  { ...closed, required: ['max_restarts'], description: 'without it, every alert goes through at once' },
);

export const RelaySchema = Type.Object(
  {
    listen: reading<string>('address', 'host:port', { default: '127.0.0.1:9974' }),
    state_dir: optional(text('where undelivered alerts and the token live')),
    auth: Type.Object(
      { token_file: optional(text("the relay's own, for Alertmanager; made on first start, mode 0600, where missing")) },
      { ...closed, default: {} },
    ),
    targets,
    wardens,
    retry,
    concurrency: Type.Integer({ minimum: 1, maximum: 1000, default: 64, description: 'requests to wardens at once' }),
    queue_limit: reading<number>('bytes', 'of alerts that wait; above it, Alertmanager is asked to send again', {
      default: '64MB',
      least: '1MB',
    }),
    brake: optional(brake),
  },
  { ...closed, required: ['targets', 'wardens'], description: 'relay.yml' },
);

type Written = Static<typeof RelaySchema>;
export type BrakeConfig = NonNullable<Written['brake']>;
export type RetryConfig = Written['retry'];
export type TargetsConfig = Written['targets'];
export type WardensConfig = Written['wardens'];

/** As the program sees it: every path absolute. */
export type RelayConfig = Omit<Written, 'state_dir' | 'auth'> & { state_dir: string; auth: { token_file: string } };
