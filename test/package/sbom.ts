/**
 * `npm run -s sbom`: CycloneDX of what is installed with heapwarden, by `npm sbom`, from the lock file. Without `dev`
 * packages by hand: `--omit dev` also leaves out a package that any other one names among its own devDependencies
 * (npm 11: debug, ms, semver).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Locked {
  dev?: boolean;
  devDependencies?: unknown;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8')) as { devDependencies?: unknown; packages: Record<string, Locked> };

const folder = mkdtempSync(join(tmpdir(), 'heapwarden-sbom-'));
try {
  const { devDependencies: _, ...manifest } = read('package.json');
  const lock = read('package-lock.json');
  const installed = Object.entries(lock.packages).filter(([, { dev }]) => !dev);
  const packages = Object.fromEntries(installed.map(([path, { devDependencies: _none, ...locked }]) => [path, locked]));
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ ...lock, packages }));
  execFileSync('npm', ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx'], { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
