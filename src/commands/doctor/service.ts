/** A systemd service: who is in it, and how it is set. Formats: systemd.unit(5), systemd.service(5). */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SystemdConfig } from '../../config/schema.js';
import { unitRef } from '../../supervisors/systemd-unit.js';
import { shellText } from './command.js';

export interface Service {
  /** `pm2-deploy.service`. */
  name: string;
  /** Run by a user's own systemd rather than by the machine's. */
  isUser: boolean;
}

/** A file that sets something, with its text. */
export interface UnitFile {
  path: string;
  text: string;
}

export interface UnitFiles {
  /** The unit's own file, then its drop-ins: each later one overrules. */
  files: UnitFile[];
  /** The manager's own settings, where there are any. */
  manager: UnitFile | null;
}

/** Of /proc/PID/cgroup, in which systemd names its units (cgroups(7)); null for a login session or none. Pure. */
export function serviceOf(cgroup: string): Service | null {
  for (const line of cgroup.split('\n')) {
    const steps = (/^\d+:[^:]*:(\/.*)$/.exec(line)?.[1] ?? '').split('/');
    const isUser = steps.some((step) => /^user@\d+\.service$/.test(step));
    const name = steps.findLast((step) => step.endsWith('.service') && !/^user@\d+\.service$/.test(step));
    if (name) return { name, isUser };
  }
  return null;
}

/** Highest first: systemd.unit(5), "Unit File Load Path". */
const FOLDERS = ['/etc/systemd', '/run/systemd', '/usr/local/lib/systemd', '/usr/lib/systemd', '/lib/systemd'];

/** null where there is no file of this name. */
export async function readUnit({ name, isUser }: Service, home: string, root = ''): Promise<UnitFiles | null> {
  const common = FOLDERS.map((folder) => join(folder, isUser ? 'user' : 'system'));
  const folders = [...(isUser ? [join(home, '.config/systemd/user')] : []), ...common].map((folder) => root + folder);
  const found = await Promise.all(folders.map((folder) => readUnitFile(join(folder, name))));
  const main = found.find((file) => file !== null);
  if (!main) return null;
  const manager = await readUnitFile(`${root}/etc/systemd/${isUser ? 'user' : 'system'}.conf`);
  return { files: [main, ...(await dropIns(folders, name))], manager };
}

/** Of all folders, by file name: of one that is in several, the first counts. */
async function dropIns(folders: readonly string[], name: string): Promise<UnitFile[]> {
  const paths = new Map<string, string>();
  for (const unit of [name, ...prefixesOf(name), 'service']) {
    for (const folder of folders) {
      const inside = join(folder, `${unit}.d`);
      for (const file of await readdir(inside).catch(() => [])) {
        if (file.endsWith('.conf') && !paths.has(file)) paths.set(file, join(inside, file));
      }
    }
  }
  const sorted = [...paths].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return (await Promise.all(sorted.map(([, path]) => readUnitFile(path)))).filter((file) => file !== null);
}

/** `pm2-a-b.service` is also set by `pm2-a-.service.d` and `pm2-.service.d`. */
function prefixesOf(name: string): string[] {
  const stem = name.replace(/\.service$/, '');
  const ends = [...stem.matchAll(/-/g)].map(({ index }) => index + 1).filter((end) => end < stem.length);
  return ends.toReversed().map((end) => `${stem.slice(0, end)}.service`);
}

function readUnitFile(path: string): Promise<UnitFile | null> {
  return readFile(path, 'utf8').then((text) => ({ path, text }), () => null);
}

export interface Assignment {
  value: string;
  path: string;
  line: number;
}

/** The one that holds; null where there is none, or where an empty one has taken the others back. Pure. */
export function assignmentIn(files: readonly UnitFile[], section: string, key: string): Assignment | null {
  let last: Assignment | null = null;
  for (const { path, text } of files) {
    let current = '';
    for (const [i, raw] of text.split('\n').entries()) {
      const line = raw.trim();
      current = /^\[(.*)\]$/.exec(line)?.[1] ?? current;
      const value = current === section ? new RegExp(`^${key}\\s*=\\s*(.*)$`).exec(line)?.[1] : undefined;
      if (value !== undefined) last = value === '' ? null : { value, path, line: i + 1 };
    }
  }
  return last;
}

/** How a person changes a unit that the config names, or the template of all its instances: systemctl(1). */
export function editCommand(systemd: SystemdConfig, ...options: string[]): string {
  const { name, user } = unitRef(systemd);
  return shellText(['systemctl', ...(user ? ['--user'] : []), 'edit', ...options, name.replace('@*.', '@.')]);
}
