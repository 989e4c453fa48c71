import {
  GC_BUCKETS_SECONDS,
  MAX_APP_NAME,
  MAX_LACKS,
  MAX_LACK_LENGTH,
  type AgentFrame,
  type GcHistogram,
  type LoopWindow,
  type RuntimeStats,
} from '../agent/protocol.cjs';

const MAX_KEYS = 64;
const MAX_KEY_LENGTH = 64;
const MAX_VERSION_LENGTH = 64;

/** What an agent said is not the protocol; the message says what, for the log. */
export class BadFrame extends Error {}

/**
 * One line of an agent, checked to the last number; null where its type is unknown (a newer agent's). Keys that the
 * protocol does not name are dropped. Throws BadFrame.
 */
export function parseAgentFrame(line: string): AgentFrame | null {
  const frame = object(parseJson(line), 'frame');
  switch (frame['type']) {
    case 'hello':
      return {
        type: 'hello',
        protocol: count(frame, 'protocol'),
        pid: count(frame, 'pid'),
        node: text(frame, 'node', MAX_VERSION_LENGTH),
        app: text(frame, 'app', MAX_APP_NAME),
        ...(frame['agent'] === undefined ? {} : { agent: text(frame, 'agent', MAX_VERSION_LENGTH) }),
        ...(frame['pid_namespace'] === undefined ? {} : { pid_namespace: count(frame, 'pid_namespace') }),
        ...(frame['start'] === undefined ? {} : { start: count(frame, 'start') }),
        ...(frame['draining'] === undefined || !flag(frame, 'draining') ? {} : { draining: true }),
      };
    case 'beat':
      return {
        type: 'beat',
        n: count(frame, 'n'),
        ...(frame['inspector_port'] === undefined ? {} : { inspector_port: count(frame, 'inspector_port') }),
      };
    case 'stats':
      return {
        type: 'stats',
        n: count(frame, 'n'),
        ...(frame['request'] === undefined ? {} : { request: count(frame, 'request') }),
        stats: runtimeStats(object(frame['stats'], 'stats')),
      };
    case 'heard':
      return { type: 'heard', request: count(frame, 'request') };
    case 'drained':
      return {
        type: 'drained',
        request: count(frame, 'request'),
        complete: flag(frame, 'complete'),
        ...(frame['deaf'] === undefined || !flag(frame, 'deaf') ? {} : { deaf: true }),
      };
    case 'gathered':
      return { type: 'gathered', request: count(frame, 'request'), lacks: sentences(frame, 'lacks') };
    default:
      text(frame, 'type', MAX_KEY_LENGTH);
      return null;
  }
}

type Fields = Record<string, unknown>;

function runtimeStats(stats: Fields): RuntimeStats {
  const gc = object(stats['gc'], 'gc');
  return {
    heap_used: amount(stats, 'heap_used'),
    heap_total: amount(stats, 'heap_total'),
    heap_limit: amount(stats, 'heap_limit'),
    heap_live: stats['heap_live'] === null ? null : amount(stats, 'heap_live'),
    external: amount(stats, 'external'),
    array_buffers: amount(stats, 'array_buffers'),
    heap_spaces: amounts(stats, 'heap_spaces'),
    gc: {
      major: histogram(gc, 'major'),
      minor: histogram(gc, 'minor'),
      incremental: histogram(gc, 'incremental'),
      weakcb: histogram(gc, 'weakcb'),
    },
    loop: stats['loop'] === null ? null : loopWindow(object(stats['loop'], 'loop')),
    active_resources: amounts(stats, 'active_resources'),
  };
}

function histogram(gc: Fields, kind: string): GcHistogram {
  const fields = object(gc[kind], kind);
  const buckets = fields['buckets'];
  if (!Array.isArray(buckets) || buckets.length !== GC_BUCKETS_SECONDS.length || !buckets.every(isAmount)) {
    throw new BadFrame(`"${kind}" needs ${GC_BUCKETS_SECONDS.length} buckets`);
  }
  return { count: amount(fields, 'count'), sum_seconds: amount(fields, 'sum_seconds'), buckets };
}

function loopWindow(loop: Fields): LoopWindow {
  return {
    window_seconds: amount(loop, 'window_seconds'),
    mean_seconds: amount(loop, 'mean_seconds'),
    p50_seconds: amount(loop, 'p50_seconds'),
    p90_seconds: amount(loop, 'p90_seconds'),
    p99_seconds: amount(loop, 'p99_seconds'),
    max_seconds: amount(loop, 'max_seconds'),
    utilization_ratio: amount(loop, 'utilization_ratio'),
  };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new BadFrame('a line is not JSON');
  }
}

function object(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadFrame(`"${name}" is not an object`);
  }
  return value as Fields;
}

function text(fields: Fields, key: string, maxLength: number): string {
  const value = fields[key];
  if (typeof value !== 'string' || value.length === 0 || value.length > maxLength || /\p{Cc}/u.test(value)) {
    throw new BadFrame(`"${key}" is not a text of 1 to ${maxLength} printable characters`);
  }
  return value;
}

function count(fields: Fields, key: string): number {
  const value = fields[key];
  if (!Number.isSafeInteger(value) || Number(value) < 1) throw new BadFrame(`"${key}" is not a positive integer`);
  return Number(value);
}

function flag(fields: Fields, key: string): boolean {
  const value = fields[key];
  if (typeof value !== 'boolean') throw new BadFrame(`"${key}" is neither true nor false`);
  return value;
}

/** The app has a say in them, since they tell its errors: control characters go. */
function sentences(fields: Fields, key: string): string[] {
  const value = fields[key];
  const isGood = (line: unknown): line is string => typeof line === 'string' && line.length <= MAX_LACK_LENGTH;
  if (!Array.isArray(value) || value.length > MAX_LACKS || !value.every(isGood)) {
    throw new BadFrame(`"${key}" is not a list of at most ${MAX_LACKS} sentences`);
  }
  return value.map((line) => line.replace(/\p{Cc}+/gu, ' '));
}

function amount(fields: Fields, key: string): number {
  const value = fields[key];
  if (!isAmount(value)) throw new BadFrame(`"${key}" is not a finite number of at least 0`);
  return value;
}

function amounts(fields: Fields, key: string): Record<string, number> {
  const record = object(fields[key], key);
  const keys = Object.keys(record);
  if (keys.length > MAX_KEYS) throw new BadFrame(`"${key}" has more than ${MAX_KEYS} keys`);
  if (keys.some((name) => name.length > MAX_KEY_LENGTH)) throw new BadFrame(`"${key}" has a key that is too long`);
  return Object.fromEntries(keys.map((name) => [name, amount(record, name)]));
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
