/** What Docker says of one container: the answer to GET /containers/ID/json, of which this is what matters here. */
import type { SlotState } from './contract.js';

export interface Container {
  /** 64 hexadecimal digits. */
  id: string;
  name: string;
  /** Its number among the containers of a compose service, from 1; null where compose did not make it. */
  composeNumber: number | null;
  /** Docker's word: created, running, paused, restarting, removing, exited, dead. */
  status: string;
  /** Of its first process, as the daemon's machine counts; null where it has none. */
  pid: number | null;
  /** When its last process ended, in milliseconds since the Unix epoch; null where none has. */
  finishedAtMs: number | null;
  /** Of its last process, while none runs. */
  exitCode: number;
  /** As of its last process; Docker forgets it when the next one starts. */
  oomKilled: boolean;
  /** `starting`, `healthy` or `unhealthy`; null without a health check. */
  health: string | null;
  /** Milliseconds after a start within which its health check has come to a verdict. */
  healthWithinMs: number;
  /** Its own memory limit in bytes; null where it has none. */
  memoryLimitBytes: number | null;
  /** Its restart policy has started it as often as it may. */
  givenUp: boolean;
}

type Fields = Record<string, unknown>;

/** Null where the answer is not as Docker's. */
export function parseContainer(answer: unknown): Container | null {
  const { Id: id, Name: name } = fields(answer);
  const state = fields(fields(answer)['State']);
  const config = fields(fields(answer)['Config']);
  const host = fields(fields(answer)['HostConfig']);
  const { Status: status } = state;
  if (typeof id !== 'string' || typeof name !== 'string' || typeof status !== 'string') return null;
  const policy = fields(host['RestartPolicy']);
  const restarts = Number(fields(answer)['RestartCount']);
  const retries = amount(policy['MaximumRetryCount']) ?? Infinity;
  const number = Number(fields(config['Labels'])['com.docker.compose.container-number']);
  const { Status: health } = fields(state['Health']);
  return {
    id,
    name: name.replace(/^\//, ''),
    composeNumber: Number.isSafeInteger(number) && number > 0 ? number : null,
    status,
    pid: status === 'running' ? amount(state['Pid']) : null,
    finishedAtMs: timeMs(state['FinishedAt']),
    exitCode: Number(state['ExitCode'] ?? 0),
    oomKilled: state['OOMKilled'] === true,
    health: typeof health === 'string' && health !== '' && health !== 'none' ? health : null,
    healthWithinMs: verdictWithinMs(fields(config['Healthcheck'])),
    memoryLimitBytes: amount(host['Memory']),
    givenUp: status === 'exited' && policy['Name'] === 'on-failure' && restarts >= retries,
  };
}

/** A paused one serves nobody, and is somebody's wish: it counts as stopped. */
export function slotState({ status, givenUp }: Container): SlotState {
  if (status === 'running') return 'running';
  if (status === 'restarting') return 'starting';
  return givenUp ? 'crash_loop' : 'stopped';
}

/** Docker's defaults for what a health check leaves open: https://docs.docker.com/reference/dockerfile/#healthcheck */
const [INTERVAL_NS, TIMEOUT_NS, RETRIES] = [30e9, 30e9, 3];

/**
 * The first check comes an interval after the start, each may take its timeout, and only those after the start period
 * count against it. One more than the retries, since the first may fall just before the period's end.
 */
function verdictWithinMs(check: Fields): number {
  const interval = amount(check['Interval']) ?? INTERVAL_NS;
  const timeout = amount(check['Timeout']) ?? TIMEOUT_NS;
  const retries = amount(check['Retries']) ?? RETRIES;
  return ((amount(check['StartPeriod']) ?? 0) + (retries + 1) * (interval + timeout)) / 1e6;
}

/** Docker writes 0 for none; what is no number is none, either. */
function amount(value: unknown): number | null {
  return typeof value === 'number' && value > 0 ? value : null;
}

/** Docker writes 0001-01-01T00:00:00Z for never. */
function timeMs(value: unknown): number | null {
  const ms = typeof value === 'string' ? Date.parse(value) : NaN;
  return ms > 0 ? ms : null;
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}
