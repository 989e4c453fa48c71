/** Units for the tests that run beside a systemd of their own: test/parts/systemd.ts. Nothing here touches the machine's. */
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';
import { LinuxProcesses } from '../../src/observe/linux.js';
import { Systemctl } from '../../src/supervisors/systemctl.js';
import { SystemdSupervisor, type SystemdOptions } from '../../src/supervisors/systemd.js';
import type { UnitName } from '../../src/supervisors/systemd-unit.js';
import { memoryLog } from './options.js';

export const APP = `${process.execPath} ${fileURLToPath(new URL('../apps/systemd-app.cjs', import.meta.url))}`;
export const processes = new LinuxProcesses();
/** Of systemd-boot.sh. */
export const HEAPWARDEN = 7310;
export const STRANGER = 7312;

export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export const systemctl = (...args: string[]): string => run('systemctl', ...args);

/** Writes these units, lines of their [Service] sections or whole files, and has systemd read them. */
export function writeUnits(units: Record<string, string>): void {
  for (const [name, text] of Object.entries(units)) {
    writeFileSync(`/run/units/${name}`, text.startsWith('[') ? text : `[Service]\n${text}\n`);
  }
  systemctl('daemon-reload');
}

/** A program that runs systemctl as another user. */
export function systemctlAs(uid: number, env = ''): string {
  const path = `/run/systemctl-as-${uid}`;
  const drop = `setpriv --reuid ${uid} --regid ${uid} --clear-groups`;
  writeFileSync(path, `#!/bin/sh\nexec env ${env} ${drop} systemctl "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

type Overrides = Partial<Omit<SystemdOptions, 'unit' | 'log'>> & { user?: boolean; program?: string };

/** A supervisor of this unit, with the log that it writes. */
export function supervise(name: UnitName, { user = false, program = 'systemctl', ...options }: Overrides = {}): {
  supervisor: SystemdSupervisor;
  log: ReturnType<typeof memoryLog>;
} {
  const log = memoryLog();
  const systemctls = { system: new Systemctl({ user: false, program }), user: new Systemctl({ user: true, program }) };
  const whole = { app: 'app', unit: { name, user }, systemctls, processes, clock: systemClock, log: log as Log, ...options };
  return { supervisor: new SystemdSupervisor(whole), log };
}
