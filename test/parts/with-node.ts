/**
 * `npm run test:node -- 22`: the suite on another version of Node.js. Its binary runs tap, and is the first on the PATH:
 * so it runs each test too, the wardens and apps that tests start (by process.execPath), PM2, and `#!/usr/bin/env node`.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NODE_MAJORS, findPart } from './index.js';

const MAJORS = NODE_MAJORS.filter((major) => major >= 20);
const USAGE = `npm run test:node -- VERSION… [--some] [FILE…] [-- FLAGS OF TAP]
  VERSION   one or more of ${MAJORS.join(', ')}
  --some    what depends on Node.js itself, in some minutes: the rooms by themselves, the agent, a child app's whole life
  FILE…     these tests only`;

/** Not here: what is of other programs (PM2, Docker, systemd, Prometheus, a browser), of the machine, or of files alone. */
const SOME = [
  /^test\/(?:act|agent|commands|config|decide|http|monitor|observe|publish|relay)\/.*\.test\.ts$/,
  /^test\/[^/]+\.test\.ts$/,
  /^test\/supervisors\/(?:child|external|stop|set|claims|leftovers|pm2\.|pm2-rpc|amp|taskkill)[^/]*\.test\.ts$/,
  /^test\/integration\/(?:cli|embedded|freeze|evidence|killed-warden|out-of-memory|attach|pm2)\.test\.ts$/,
];
const NOT_OF_SOME = [/^test\/relay\/storm/];

/** tap's own hook for CommonJS must be set after tsx's: on Node 22 and newer it is handed what tsx has not compiled. */
const IN_ORDER = ['--node-arg=--require=tsx/cjs', '--node-arg=--import=tsx'];

const root = fileURLToPath(new URL('../..', import.meta.url));

function someFiles(): string[] {
  const all = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).map((name) => `test/${name}`);
  return all.filter((name) => SOME.some((one) => one.test(name)) && !NOT_OF_SOME.some((one) => one.test(name))).toSorted();
}

function main(): number {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { some: { type: 'boolean', default: false } } });
  const majors = MAJORS.filter((major) => positionals.includes(String(major)));
  const files = positionals.filter((word) => !majors.some((major) => String(major) === word));
  if (majors.length === 0 || (values.some && files.length > 0)) {
    console.error(USAGE);
    return 2;
  }
  const chosen = values.some ? someFiles() : files;
  let failed = 0;
  for (const major of majors) {
    const node = findPart(`node-${major}`);
    if (node === null) throw new Error(`Node ${major} is not here: run \`npm run setup:test\`, which says why it cannot be had`);
    const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
    console.error(`Node ${version}: ${chosen.length === 0 ? 'all tests' : `${chosen.length} test files`}`);
    const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env['PATH'] ?? ''}` };
    const tap = join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs');
    const { status } = spawnSync(node, [tap, ...IN_ORDER, ...chosen], { cwd: root, env, stdio: 'inherit' });
    if (status !== 0) failed++;
    console.error(`Node ${version}: ${status === 0 ? 'all hold' : `tap ended with ${status}`}`);
  }
  return failed === 0 ? 0 : 1;
}

process.exitCode = main();
