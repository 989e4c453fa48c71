import type { Config } from '../../config/schema.js';
import { formatElapsed } from '../../units.js';
import { run, type Finding, type Told, type Verdict } from './finding.js';

/** How far another clock is ahead of ours (negative: behind), and by how much that may be wrong; milliseconds. */
export interface Offset {
  aheadMs: number;
  errorMs: number;
}

export interface ClockFacts {
  trigger: Config['trigger'];
  /** What the system says of its own clock. */
  synchronized: Told<boolean>;
  peers: readonly { name: 'Prometheus' | 'Alertmanager'; url: string; flag: string; offset: Told<Offset> }[];
  /** When the newest alert on record began, against when it came by our clock: milliseconds; null where there is none. */
  alertAheadMs: Told<number | null>;
}

/** Below this nobody is misled: alerts are held against start times that are seconds apart. Milliseconds. */
const TOLERANCE_MS = 2000;

/**
 * The offset of a server whose answer had this Date header, which is cut to the second (RFC 9110, 6.6.1); null where it
 * has none. All in milliseconds since the epoch. Pure.
 */
export function offsetOf(date: string | null, askedMs: number, answeredMs: number): Offset | null {
  const dateMs = Date.parse(date ?? '');
  if (Number.isNaN(dateMs)) return null;
  return { aheadMs: dateMs + 500 - (askedMs + answeredMs) / 2, errorMs: 500 + (answeredMs - askedMs) / 2 };
}

export function judgeClock({ trigger, synchronized, peers, alertAheadMs }: ClockFacts): Verdict {
  const findings: Finding[] = [];
  const notChecked: string[] = [];
  const add = (code: Finding['code'], severity: Finding['severity'], message: string) =>
    findings.push({ code, severity, app: null, message, fix: run('timedatectl set-ntp true   (or run chrony), on both machines') });
  const harm =
    'an alert is refused as already_restarted where it looks older than the process, and taken for new where it looks younger';
  const severity = trigger === 'embedded' ? 'warning' : 'problem';

  if ('why' in synchronized) notChecked.push(`whether the clock is synchronized: ${synchronized.why}`);
  else if (!synchronized.value) {
    const harmLater = 'sooner or later its times differ from those of Prometheus';
    add('clock_unsynchronized', 'warning', `the clock of this machine is not synchronized (timedatectl): ${harmLater}`);
  }
  for (const { name, url, flag, offset } of peers) {
    if ('why' in offset) notChecked.push(`the clock of ${name}: ${offset.why}; name it with ${flag}`);
    else if (Math.abs(offset.value.aheadMs) - offset.value.errorMs > TOLERANCE_MS) {
      const { aheadMs } = offset.value;
      const way = aheadMs > 0 ? 'ahead of' : 'behind';
      add('clock_skew', severity, `the clock of ${name} at ${url} is ${formatElapsed(Math.abs(aheadMs))} ${way} this machine's: ${harm}`);
    }
  }
  if ('why' in alertAheadMs) notChecked.push(`the times of the alerts on record: ${alertAheadMs.why}`);
  else if (alertAheadMs.value !== null && alertAheadMs.value > TOLERANCE_MS) {
    const came = `an alert came ${formatElapsed(alertAheadMs.value)} before it began, by its own time`;
    add('clock_skew', severity, `${came}: the clock of Prometheus is ahead of this machine's: ${harm}`);
  }
  return { findings, notChecked };
}
