/** `npm run setup:test`: gets the real parts that the tests need and this machine lacks. Never fails: tests name what is missing. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEBIAN_ROOT, NODE_MAJORS, PROMETHEUS_TOOLS, SUPERVISOR_ROOT, TMUX_ROOT, findPart, type PartName } from './index.js';

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

function unpackDebian(): void {
  unpack(['prometheus', 'prometheus-alertmanager'], DEBIAN_ROOT);
  wrapAlertmanager();
}

/** Downloads packages of Debian's and unpacks them into a folder: nothing is installed. */
function unpack(packages: readonly string[], root: string): void {
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
  unpack(['supervisor', 'python3-pkg-resources'], SUPERVISOR_ROOT);
  const modules = join(SUPERVISOR_ROOT, 'usr', 'lib', 'python3', 'dist-packages');
  for (const name of ['supervisord', 'supervisorctl']) {
    const script = `#!/bin/sh\nPYTHONPATH='${modules}' exec /usr/bin/python3 -m supervisor.${name} "$@"\n`;
    writeFileSync(join(SUPERVISOR_ROOT, 'usr', 'bin', name), script, { mode: 0o755 });
  }
}

/** With the packages that it names as its own needs: what they are called differs from one Debian to the next. */
function unpackTmux(): void {
  if (process.getuid?.() === 0) run('apt-get', ['update', '-qq'], here);
  const told = execFileSync('apt-cache', ['depends', '--important', 'tmux'], { encoding: 'utf8' });
  const needs = [...told.matchAll(/^ *Depends: ([\w.+-]+)$/gm)].map(([, name]) => name!);
  unpack(['tmux', ...needs.filter((name) => name !== 'libc6')], TMUX_ROOT);
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
  attempt('Prometheus and Alertmanager from Debian', unpackDebian);
}

if (!findPart('tmux')) attempt('tmux from Debian', unpackTmux);
if (!findPart('supervisord')) attempt('supervisord from Debian', unpackSupervisor);

const all: PartName[] = [...NODE_MAJORS.map((major) => `node-${major}` as const), 'pm2', ...PROMETHEUS_TOOLS, 'supervisord', 'tmux'];
const missing = all.filter((name) => !findPart(name));
console.error(missing.length === 0 ? 'setup: every real part is here' : `setup: NOT here: ${missing.join(', ')}; the suites that need them will say so`);
