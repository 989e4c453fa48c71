import { pino, destination, type DestinationStream } from 'pino';
import type { Log, LogFields } from './log.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `text` for people; `logfmt` and `json` as the Prometheus tools have them. */
export const LOG_FORMATS = ['text', 'logfmt', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Bytes; when the reader of our output stalls, lines beyond this are lost rather than the event loop held. */
const MAX_BUFFERED = 8 * 2 ** 20;

export interface Sink extends DestinationStream {
  /** Writes out what is buffered, synchronously: for the last words before an exit. */
  flushSync(): void;
}

/** An asynchronous writer to a file descriptor: 1 is stdout, 2 stderr. */
export function openSink(fd: 1 | 2): Sink {
  return destination({ fd, sync: false, maxLength: MAX_BUFFERED });
}

export function createLog(format: LogFormat, level: LogLevel, sink: DestinationStream): Log {
  const stream: DestinationStream = format === 'json' ? sink : { write: (line) => sink.write(FORMATTERS[format](JSON.parse(line) as LogLine)) };
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'msg',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  const at = (name: LogLevel) => (message: string, fields: LogFields = {}) => logger[name](fields, message);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

type LogLine = { ts: string; level: string; msg: string } & LogFields;

const FORMATTERS: Record<Exclude<LogFormat, 'json'>, (line: LogLine) => string> = {
  text: ({ ts, level, msg }) => `${new Date(ts).toTimeString().slice(0, 8)} ${level.toUpperCase().padEnd(5)} ${msg}\n`,
  logfmt: ({ ts, level, msg, ...fields }) =>
    Object.entries({ ts, level, msg, ...fields })
      .map(([key, value]) => `${key}=${logfmtValue(value)}`)
      .join(' ') + '\n',
};

function logfmtValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"=\\]+$/.test(text) ? text : JSON.stringify(text);
}
