/** `npm run setup:test`: gets the real parts that the tests need and this machine lacks. Never fails: tests name what is missing. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  DEBIAN_ROOT, DEBIAN_SYSTEMD, DOCKER_ROOT, NODE_MAJORS, PROCESS_EXPORTER_ROOT, PROMETHEUS_TOOLS, SUPERVISOR_ROOT,
  SYSTEMD_PARTS, TMUX_ROOT, findPart, type PartName,
} from './index.js';

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
  /** Systems that it is for; without it, all. */
  os?: string[];
}

/** npm ci empties the folder before it fills it: through a link, that of everybody who shares it. */
function installNpmParts(): void {
  const folder = join(here, 'node_modules');
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new Error(`${folder} is a link to a folder that others may use; run this where that folder is`);
  }
  run('npm', ['ci', '--no-audit', '--no-fund', '--silent'], here);
}

/** True where node_modules is what the lock file says; npm keeps its own copy of the lock inside, without other systems' packages. */
function npmPartsAreCurrent(): boolean {
  const installed = join(here, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const wanted = JSON.parse(readFileSync(join(here, 'package-lock.json'), 'utf8')).packages as Record<string, Locked>;
  const actual = JSON.parse(readFileSync(installed, 'utf8')).packages as Record<string, Locked>;
  return Object.entries(wanted).every(
    ([path, { version, os }]) => path === '' || (os && !os.includes(process.platform)) || actual[path]?.version === version,
  );
}

/** What `packages` (names, or options of `apt-get download`) hold, unpacked into `root`. */
function unpackDebian(packages: readonly string[], root: string): void {
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
 * systemd with what it is linked to beyond a Debian without it, to be laid over the machine's own root in a namespace.
 * Not its users: polkitd's has to be there already, or polkit is not.
 */
function unpackSystemd(): void {
  const wanted = ['systemd', 'dbus-daemon', 'dbus-system-bus-common', 'dbus', 'polkitd'];
  const list = execFileSync(
    'apt-cache',
    ['depends', '--recurse', '--no-recommends', '--no-suggests', '--no-conflicts', '--no-breaks', '--no-replaces', '--no-enhances', ...wanted],
    { encoding: 'utf8' },
  );
  const packages = [...new Set(list.split('\n').filter((line) => /^[a-z0-9]/.test(line)).map((line) => line.trim()))];
  // Not the C library, without which nothing here would run, nor what would stand in systemd's place.
  const isWorthIt = (name: string) => wanted.includes(name) || /^lib(?!c6|.*elogind|.*perl)/.test(name);
  unpackDebian(packages.filter(isWorthIt), DEBIAN_SYSTEMD);
  // On a Debian of today /lib is /usr/lib, but its packages do not all say so.
  for (const folder of ['bin', 'sbin', 'lib', 'lib64'].filter((name) => existsSync(join(DEBIAN_SYSTEMD, name)))) {
    const [from, to] = [join(DEBIAN_SYSTEMD, folder), join(DEBIAN_SYSTEMD, 'usr', folder)];
    mkdirSync(to, { recursive: true });
    run('cp', ['--archive', `${from}/.`, to], DEBIAN_SYSTEMD);
    rmSync(from, { recursive: true });
  }
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

/** Its modules are found in the folder where they are, and so is what it takes of setuptools. Debian's own Python runs them. */
function unpackSupervisor(): void {
  if (!existsSync('/usr/bin/python3')) throw new Error('it takes /usr/bin/python3');
  unpackDebian(['supervisor', 'python3-pkg-resources'], SUPERVISOR_ROOT);
  const modules = join(SUPERVISOR_ROOT, 'usr', 'lib', 'python3', 'dist-packages');
  for (const name of ['supervisord', 'supervisorctl']) {
    const script = `#!/bin/sh\nPYTHONPATH='${modules}' exec /usr/bin/python3 -m supervisor.${name} "$@"\n`;
    writeFileSync(join(SUPERVISOR_ROOT, 'usr', 'bin', name), script, { mode: 0o755 });
  }
}

/**
 * Really installed, unlike the others: its wrapper, its sandbox and some hundred libraries stand at absolute paths, and
 * unpacked elsewhere it would be a Chromium that nobody has.
 */
function installChromium(): void {
  if (process.getuid?.() !== 0) throw new Error('it takes root; as root: apt-get install chromium');
  run('apt-get', ['update', '-qq'], here);
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium', 'fonts-dejavu-core'], here);
}

/** With the packages that it names as its own needs: what they are called differs from one Debian to the next. */
function unpackTmux(): void {
  if (process.getuid?.() === 0) run('apt-get', ['update', '-qq'], here);
  const told = execFileSync('apt-cache', ['depends', '--important', 'tmux'], { encoding: 'utf8' });
  const needs = [...told.matchAll(/^ *Depends: ([\w.+-]+)$/gm)].map(([, name]) => name!);
  unpackDebian(['tmux', ...needs.filter((name) => name !== 'libc6')], TMUX_ROOT);
  const program = join(TMUX_ROOT, 'usr', 'bin', 'tmux');
  renameSync(program, `${program}.real`);
  const libraries = ['usr/lib', 'lib'].flatMap((folder) => {
    const at = join(TMUX_ROOT, folder);
    return existsSync(at) ? readdirSync(at).filter((name) => name.includes('-linux-')).map((name) => join(at, name)) : [];
  });
  writeFileSync(program, `#!/bin/sh\nLD_LIBRARY_PATH='${libraries.join(':')}' exec '${program}.real' "$@"\n`, { mode: 0o755 });
}

if (!npmPartsAreCurrent()) {
  attempt('PM2 and Node 18 to 26 from npm (about 350 MB)', installNpmParts);
}
if (PROMETHEUS_TOOLS.some((tool) => !findPart(tool))) {
  attempt('Prometheus and Alertmanager from Debian', unpackPrometheus);
}
if (!findPart('docker')) attempt('Docker from Debian (65 MB, unpacked 250 MB)', unpackDocker);

if (!findPart('prometheus-process-exporter')) {
  attempt('process-exporter from Debian', () => unpackDebian(['prometheus-process-exporter'], PROCESS_EXPORTER_ROOT));
}
if (!findPart('tmux')) attempt('tmux from Debian', unpackTmux);
if (!findPart('supervisord')) attempt('supervisord from Debian', unpackSupervisor);
if (!findPart('chromium')) attempt('Chromium from Debian (about 350 MB)', installChromium);
const systemdParts = Object.keys(SYSTEMD_PARTS) as (keyof typeof SYSTEMD_PARTS)[];
if (process.platform === 'linux' && process.getuid?.() !== 0) {
  console.error('setup: only root can boot a systemd of his own, so its suites do not run here');
} else if (systemdParts.some((name) => !findPart(name))) {
  attempt('systemd, D-Bus and polkit from Debian', unpackSystemd);
}

const all: PartName[] = [
  ...NODE_MAJORS.map((major) => `node-${major}` as const), 'pm2', ...PROMETHEUS_TOOLS, 'supervisord', 'docker', 'chromium', 'tmux',
  'prometheus-process-exporter',
  ...systemdParts,
];
const missing = all.filter((name) => !findPart(name));
console.error(missing.length === 0 ? 'setup: every real part is here' : `setup: NOT here: ${missing.join(', ')}; the suites that need them will say so`);
