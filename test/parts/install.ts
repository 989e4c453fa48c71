/** `npm run setup:test`: gets the real parts that the tests need and this machine lacks. Never fails: tests name what is missing. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEBIAN_ROOT, DOCKER_ROOT, NODE_MAJORS, PROMETHEUS_TOOLS, findPart, type PartName } from './index.js';

const here = fileURLToPath(new URL('.', import.meta.url));

function attempt(what: string, install: () => void): void {
  console.error(`setup: ${what} …`);
  try {
    install();
  } catch (error) {
    console.error(`setup: ${what} failed: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
  }
}

function run(program: string, args: string[], cwd: string): void {
  execFileSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

interface Locked {
  version?: string;
  /** Not installed where it is of no use, as fsevents outside of macOS. */
  optional?: boolean;
}

/** True where node_modules is what the lock file says; npm keeps its own copy of the lock inside. */
function npmPartsAreCurrent(): boolean {
  const installed = join(here, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const wanted = JSON.parse(readFileSync(join(here, 'package-lock.json'), 'utf8')).packages as Record<string, Locked>;
  const actual = JSON.parse(readFileSync(installed, 'utf8')).packages as Record<string, Locked>;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || (optional && !actual[path]) || actual[path]?.version === version,
  );
}

function unpackDebian(packages: string[], root: string): void {
  const downloads = mkdtempSync(join(tmpdir(), 'heapwarden-debs-'));
  try {
    if (process.getuid?.() === 0) run('apt-get', ['update', '-qq'], downloads);
    run('apt-get', ['download', '-qq', ...packages], downloads);
    mkdirSync(root, { recursive: true });
    for (const deb of readdirSync(downloads).filter((name) => name.endsWith('.deb'))) {
      run('dpkg', ['-x', join(downloads, deb), root], downloads);
    }
  } finally {
    rmSync(downloads, { recursive: true, force: true });
  }
}

function unpackPrometheus(): void {
  unpackDebian(['prometheus', 'prometheus-alertmanager'], DEBIAN_ROOT);
  wrapAlertmanager();
}

/** The libraries are those of Debian 12, for where they are not installed; a newer Debian calls some otherwise. */
function unpackDocker(): void {
  unpackDebian(['docker.io', 'containerd', 'runc', 'tini', 'libdevmapper1.02.1', 'libsystemd0', 'libseccomp2'], DOCKER_ROOT);
}

/**
 * Debian's Alertmanager reads /usr/share/prometheus/alertmanager/default.tmpl and no other place. So that nothing has to
 * be installed into the system, it runs in a mount namespace of its own that has the unpacked files there as well.
 */
function wrapAlertmanager(): void {
  const program = join(DEBIAN_ROOT, 'usr', 'bin', 'prometheus-alertmanager');
  renameSync(program, `${program}.real`);
  const script = `#!/bin/sh
[ "$(id -u)" = 0 ] || map=--map-root-user
exec unshare --mount $map sh -c '
  mount -t overlay overlay -o "lowerdir=$0/usr/share:/usr/share" /usr/share &&
  exec "$0/usr/bin/prometheus-alertmanager.real" "$@"' '${DEBIAN_ROOT}' "$@"
`;
  writeFileSync(program, script, { mode: 0o755 });
}

if (!npmPartsAreCurrent()) {
  attempt('PM2 and Node 18 to 26 from npm (about 350 MB)', () => {
    // npm ci empties what the link leads to, which others use, and puts a folder in the link's place.
    if (lstatSync(join(here, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw new Error('test/parts/node_modules is a link to a folder of somebody else; install there, or remove the link');
    }
    run('npm', ['ci', '--no-audit', '--no-fund', '--silent'], here);
  });
}
if (PROMETHEUS_TOOLS.some((tool) => !findPart(tool))) {
  attempt('Prometheus and Alertmanager from Debian', unpackPrometheus);
}
if (!findPart('docker')) {
  attempt('Docker from Debian (65 MB, unpacked 250 MB)', unpackDocker);
}

const all: PartName[] = [...NODE_MAJORS.map((major) => `node-${major}` as const), 'pm2', 'docker', ...PROMETHEUS_TOOLS];
const missing = all.filter((name) => !findPart(name));
console.error(missing.length === 0 ? 'setup: every real part is here' : `setup: NOT here: ${missing.join(', ')}; the suites that need them will say so`);
