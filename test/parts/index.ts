/** Where the real parts are. A test asks for what it needs; what is missing is named, and under CI it is a failure. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

const here = fileURLToPath(new URL('.', import.meta.url));
/** Debian packages unpacked by install.ts where they are not installed on the machine. */
export const DEBIAN_ROOT = join(here, '.debian');
/** The same for supervisord, apart: its wrapper is ours. */
export const SUPERVISOR_ROOT = join(here, '.parts', 'supervisor');
/** And tmux, with the libraries that it takes. */
export const TMUX_ROOT = join(here, '.parts', 'tmux');
/** What the bench of scrapes is held against. */
export const PROCESS_EXPORTER_ROOT = join(here, '.parts', 'process-exporter');

/** A root of its own: it is laid over the machine's, in a mount namespace. */
export const DEBIAN_SYSTEMD = join(here, '.parts', 'systemd');

/** Docker's daemon and what it runs, from Debian, in a root of its own: nothing else is to find it there. */
export const DOCKER_ROOT = join(here, '.parts', 'docker');

export const NODE_MAJORS = [18, 20, 22, 24, 26] as const;
export const PROMETHEUS_TOOLS = ['prometheus', 'promtool', 'prometheus-alertmanager', 'amtool'] as const;
/** Only root can boot a systemd of his own, and only on Linux: elsewhere these count as missing. */
export const SYSTEMD_PARTS = {
  systemd: ['usr/lib/systemd/systemd'],
  'dbus-daemon': ['usr/bin/dbus-daemon'],
  polkitd: ['usr/lib/polkit-1/polkitd', 'usr/libexec/polkitd'],
} as const;
type SystemdPart = keyof typeof SYSTEMD_PARTS;
export type PartName = `node-${(typeof NODE_MAJORS)[number]}` | 'pm2' | 'supervisord' | 'docker' | 'chromium' | 'tmux' | 'prometheus-process-exporter' | (typeof PROMETHEUS_TOOLS)[number] | SystemdPart;

/** Path of a part's program, `dockerd` for docker, or null where it could not be had on this machine. */
export function findPart(name: PartName): string | null {
  if (name in SYSTEMD_PARTS) return process.getuid?.() === 0 ? findSystemdPart(name as SystemdPart) : null;
  if (name === 'docker') {
    const program = join(DOCKER_ROOT, 'usr', 'sbin', 'dockerd');
    return existsSync(program) ? program : null;
  }
  const candidates = name.startsWith('node-')
    ? [join(here, 'node_modules', name, 'bin', 'node')]
    : name === 'pm2'
      ? [join(here, 'node_modules', 'pm2', 'bin', 'pm2')]
      : name === 'supervisord'
        ? [join(SUPERVISOR_ROOT, 'usr', 'bin', 'supervisord')]
        : [...(process.env['PATH'] ?? '').split(delimiter), join(DEBIAN_ROOT, 'usr', 'bin'), join(TMUX_ROOT, 'usr', 'bin'), join(PROCESS_EXPORTER_ROOT, 'usr', 'bin')].map((dir) => join(dir, name));
  return candidates.find((path) => existsSync(path)) ?? null;
}

function findSystemdPart(name: SystemdPart): string | null {
  const roots = process.platform === 'linux' ? ['/', DEBIAN_SYSTEMD] : [];
  return roots.flatMap((root) => SYSTEMD_PARTS[name].map((path) => join(root, path))).find((path) => existsSync(path)) ?? null;
}

/**
 * Paths of the parts a suite needs, or null after skipping the suite by name. Under CI a missing part fails it.
 * Use as: `const parts = needParts(t, 'prometheus', 'promtool'); if (!parts) return;`
 */
export function needParts<N extends PartName>(t: Test, ...names: N[]): Record<N, string> | null {
  const found = names.map((name) => [name, findPart(name)] as const);
  const missing = found.filter(([, path]) => path === null).map(([name]) => name);
  if (missing.length === 0) return Object.fromEntries(found) as Record<N, string>;
  cannotRun(t, `${missing.join(', ')} not on this machine (npm run setup:test tells why)`);
  return null;
}

/** Skips a suite by name; under CI it fails. */
export function cannotRun(t: Test, why: string): void {
  const message = `could not run "${t.name}": ${why}`;
  if (process.env['CI']) t.fail(message);
  else t.pass(message, { skip: message });
}
