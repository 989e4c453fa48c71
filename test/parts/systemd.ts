/** A systemd of one's own: PID 1 of namespaces in which nothing of the machine can be written (systemd-boot.sh). */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { waitFor } from '../integration/wait.js';
import { DEBIAN_SYSTEMD } from './index.js';

const BOOT = fileURLToPath(new URL('systemd-boot.sh', import.meta.url));
const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

export interface Booted {
  /** Program and arguments before a command that is to run as root beside that systemd. */
  enter: readonly string[];
}

/** Boots systemd; at the test's end it is killed with all that it has started. `parts`: where its programs are (needParts). */
export async function bootSystemd(t: Test, parts: Readonly<Record<string, string>>): Promise<Booted> {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n').map((line) => line.split(' '));
  const tree = mounts.find(([, , type]) => type === 'cgroup2')?.[1];
  if (tree === undefined) throw new Error('no cgroup2 is mounted on this machine, and systemd needs one');
  const group = mkdtempSync(join(tree, 'heapwarden-test-'));
  rmdirSync(group); // its name is what was wanted: the script makes it, and enters it at once
  const unpacked = Object.values(parts).some((path) => path.startsWith(DEBIAN_SYSTEMD)) ? DEBIAN_SYSTEMD : '';
  const child = spawn('sh', [BOOT, group, unpacked], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  t.teardown(async () => {
    child.kill('SIGKILL'); // unshare's --kill-child takes PID 1 along, and PID 1 its namespace
    await ended;
    await removeGroup(group);
  });
  const pid = child.pid!;
  const init = await waitFor(`systemd to be up; it said: ${said}`, async () => {
    if (child.exitCode !== null) throw new Error(`systemd could not be booted: ${said}`);
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return first && state(enterOf(first)) === 'running' ? first : null;
  });
  return { enter: enterOf(init) };
}

const enterOf = (init: string): string[] => ['nsenter', `--target=${init}`, '--all', `--wd=${REPOSITORY}`, '--'];

function state([program = '', ...args]: readonly string[]): string {
  try {
    return execFileSync(program, [...args, 'systemctl', 'is-system-running'], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return '';
  }
}

/** Empty by now, but for the moment that the kernel takes. */
async function removeGroup(folder: string): Promise<void> {
  const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of below) await removeGroup(join(folder, name));
  for (let tries = 100; ; tries--) {
    try {
      return rmdirSync(folder);
    } catch (error) {
      if (tries === 0) throw error;
      await sleep(50);
    }
  }
}
