import { cpus, loadavg, release, totalmem } from 'node:os';
import { formatBytes } from '../../src/units.js';

export function hardware(): string {
  const all = cpus();
  return `${all.length} x ${all[0]?.model ?? 'unknown'}, ${formatBytes(totalmem())}, Linux ${release()}`;
}

/** On what a bench has run, in a line. */
export function machine(): string {
  return `${hardware()}, load average ${loadavg()[0]!.toFixed(2)}, bench on Node ${process.version.slice(1)}`;
}
