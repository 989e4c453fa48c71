import type { SystemdConfig } from '../config/schema.js';
import type { SlotState } from './contract.js';

/** With its suffix: `shop.service`, `shop@1.service`, or a pattern for all instances, `shop@*.service`. */
export type UnitName = `${string}.service`;

export interface UnitRef {
  name: UnitName;
  /** One of the user that heapwarden runs as. */
  user: boolean;
}

/** The unit that an app's config names; a bare name is that of a service, as systemctl has it. */
export function unitRef(config: SystemdConfig): UnitRef {
  const { unit, user = false } = typeof config === 'string' ? { unit: config } : config;
  return { name: unit.endsWith('.service') ? (unit as UnitName) : `${unit}.service`, user };
}

/** As systemd shows it now: systemctl(1), org.freedesktop.systemd1(5). */
export interface Unit {
  id: UnitName;
  /** Its id and its aliases. */
  names: readonly string[];
  /** loaded, not-found, masked, bad-setting, error. */
  loadState: string;
  /** active, reloading, inactive, failed, activating, deactivating. */
  activeState: string;
  /** For a service, more exactly: `auto-restart`, `start-post`, `stop-sigterm`. */
  subState: string;
  /** Type=, as `notify`. */
  type: string;
  /** Restart=, as `on-failure`. */
  restart: string;
  /** Why it failed, `success` where it did not; back to `success` with the next start. */
  result: string;
  /** Starts by Restart= since somebody last started it. */
  restarts: number;
  mainPid: number | null;
  /** Below the root of systemd's cgroup tree, as `/system.slice/shop.service`; null where it has no process. */
  controlGroup: string | null;
  /** Milliseconds; Infinity where there is no limit. */
  stopTimeoutMs: number;
  startTimeoutMs: number;
  /** When the main process ended, in microseconds of CLOCK_MONOTONIC; 0 where it has not. */
  exitedAtUs: number;
}

export const PROPERTIES = [
  'Id', 'Names', 'LoadState', 'ActiveState', 'SubState', 'Type', 'Restart', 'Result', 'NRestarts', 'MainPID',
  'ControlGroup', 'TimeoutStopUSec', 'TimeoutStartUSec', 'ExecMainExitTimestampMonotonic',
] as const;

/** The output of `systemctl show`: a line `Property=value` each, an empty line between two units. */
export function parseUnits(output: string): Unit[] {
  return output.split(/\n\n+/).flatMap((block) => {
    const lines = block.split('\n').filter((line) => line.includes('='));
    const values = new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    const of = (property: (typeof PROPERTIES)[number]) => values.get(property) ?? '';
    const id = of('Id');
    if (!id.endsWith('.service')) return [];
    return {
      id: id as UnitName,
      names: [id, ...of('Names').split(' ')],
      loadState: of('LoadState'),
      activeState: of('ActiveState'),
      subState: of('SubState'),
      type: of('Type'),
      restart: of('Restart'),
      result: of('Result'),
      restarts: Number(of('NRestarts')),
      mainPid: Number(of('MainPID')) || null,
      controlGroup: of('ControlGroup') || null,
      stopTimeoutMs: parseTimeSpan(of('TimeoutStopUSec')),
      startTimeoutMs: parseTimeSpan(of('TimeoutStartUSec')),
      exitedAtUs: Number(of('ExecMainExitTimestampMonotonic')),
    };
  });
}

const SPANS: Readonly<Record<string, number>> = {
  y: 31_557_600_000, month: 2_629_800_000, w: 604_800_000, d: 86_400_000, h: 3_600_000, min: 60_000, s: 1000, ms: 1,
  us: 0.001,
};

/** Milliseconds of a span as systemd prints it, `1min 30s`: systemd.time(7). What it is not, has no limit. */
export function parseTimeSpan(text: string): number {
  const parts = text.split(' ').map((part) => /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(part));
  if (text === '0') return 0;
  return parts.reduce((sum, part) => sum + (part ? Number(part[1]) * (SPANS[part[2]!] ?? Infinity) : Infinity), 0);
}

/** systemd waits for its first start, or for the next. */
export function isBetweenRuns({ activeState, subState }: Unit): boolean {
  return activeState === 'activating' && subState.startsWith('auto-restart');
}

/**
 * A unit that systemd would start again, has started again, and now leaves failed has reached its StartLimitBurst=.
 * `start-limit-hit` alone does not say so: as a rule Result= keeps the failure that came before.
 */
export function stateOf(unit: Unit): SlotState {
  const { activeState, result, restart, restarts } = unit;
  switch (activeState) {
    case 'active':
    case 'reloading':
    case 'refreshing':
      return 'running';
    case 'activating':
      return 'starting';
    case 'failed':
      return result === 'start-limit-hit' || (restart !== 'no' && restarts > 0) ? 'crash_loop' : 'stopped';
    default:
      return 'stopped';
  }
}

/** Types whose start job ends when the service itself has said that it is ready: systemd.service(5). */
export function saysWhenReady({ type }: Unit): boolean {
  return ['notify', 'notify-reload', 'dbus', 'forking'].includes(type);
}
