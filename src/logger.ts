import { pino, type DestinationStream } from 'pino';
import type { Log, LogFields } from './log.js';

export { openSink, type Sink } from './output.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `text` for people; `logfmt` and `json` as the Prometheus tools have them. */
export const LOG_FORMATS = ['text', 'logfmt', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export function createLog(format: LogFormat, level: LogLevel, sink: DestinationStream): Log {
  const rewrite = format === 'json' ? null : FORMATTERS[format];
  const stream = rewrite ? { write: (line: string) => sink.write(rewrite(JSON.parse(line) as LogLine)) } : sink;
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'msg',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }), log: withoutOurs },
    },
    stream,
  );
  const at = (name: LogLevel) => (message: string, fields: LogFields = {}) => logger[name](fields, message);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

const OURS = ['ts', 'level', 'msg'];

/** A field called like a part of every line gets another name, `level_`: JSON with a key twice has no meaning. */
function withoutOurs(fields: LogFields): LogFields {
  if (!OURS.some((key) => key in fields)) return fields;
  const renamed = (key: string) => (OURS.includes(key) ? `${key}_` : key);
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [renamed(key), value]));
}

type LogLine = { ts: string; level: string; msg: string } & LogFields;

const FORMATTERS: Record<Exclude<LogFormat, 'json'>, (line: LogLine) => string> = {
  text: ({ ts, level, msg }) => {
    const time = new Date(ts).toTimeString().slice(0, 8);
    return `${time} ${level.toUpperCase().padEnd(5)} ${forPeople(msg)}\n`;
  },
  logfmt: ({ ts, level, msg, ...fields }) =>
    Object.entries({ ts, level, msg, ...fields })
      .map(([key, value]) => `${key}=${logfmtValue(value)}`)
      .join(' ') + '\n',
};

/** A message may hold what an app says: it moves no cursor, and what has a time before it is heapwarden's own. */
const forPeople = (message: string): string => message.replace(/[^\P{Cc}\n\t]/gu, '?').replaceAll('\n', '\n  ');

function logfmtValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"=\\\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text).replace(/\p{Cc}/gu, escaped);
}

/** Of what JSON leaves as it is: DEL and the controls above it. */
const escaped = (control: string): string => `\\u00${control.charCodeAt(0).toString(16)}`;
