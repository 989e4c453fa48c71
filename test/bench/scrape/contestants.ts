/** Who is scraped: two wardens and two process-exporters, all of which watch the same processes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../integration/wait.js';
import { WardenProcess } from '../../integration/warden-process.js';
import { freePort } from '../../parts/prometheus.js';
import type { Scope } from '../scope.js';

export interface Contestant {
  name: string;
  pid: number;
  url: string;
  /** What the labels of the first of the watched processes hold. */
  markOfOne: string;
}

/** So that a scrape a second has exactly one look at all processes to it. */
export const SAMPLE_INTERVAL_MS = 1000;
const PATIENCE_MS = 60_000;

/** A warden that has started the processes itself, as its child apps; `argv` is the program of each. */
export async function childWarden(scope: Scope, argv: readonly string[], count: number): Promise<Contestant> {
  const supervisor = `{ child: { command: ${JSON.stringify(argv)}, instances: ${count} } }`;
  return warden(scope, 'heapwarden, its children', supervisor, count);
}

/** A warden that finds them by their command line, as others run them. */
export async function matchingWarden(scope: Scope, argv: readonly string[], count: number): Promise<Contestant> {
  const supervisor = `{ external: { match: ${JSON.stringify(patternOf(argv))}, restart: { signal: SIGTERM } } }`;
  return warden(scope, 'heapwarden, by command line', supervisor, count);
}

const patternOf = (argv: readonly string[]): string => `^${argv.join(' ').replaceAll('.', '[.]')}$`;

async function warden(scope: Scope, name: string, supervisor: string, count: number): Promise<Contestant> {
  const config = `
sample_interval: ${SAMPLE_INTERVAL_MS}ms
apps:
  - name: fleet
    supervisor: ${supervisor}
    runtime: none
    limits: { rss: { restart: 1GB } }
`;
  const started = await (await WardenProcess.start(scope, { config, args: ['--log.level=warn'] })).ready();
  await waitFor(`${name} to see ${count} processes`, async () => {
    const text = await started.metrics();
    return [...text.matchAll(/^heapwarden_process_up\{.*\} 1$/gm)].length === count;
  }, PATIENCE_MS);
  return { name, pid: started.child.pid!, url: `${started.url}/metrics`, markOfOne: 'worker="0"' };
}

/** Debian's process-exporter with every process a group of its own. `lean`: without threads and without smaps. */
export async function processExporter(
  scope: Scope,
  program: string,
  argv: readonly string[],
  { lean, pidOfOne }: { lean: boolean; pidOfOne: number },
): Promise<Contestant> {
  const config = join(scope.testdir(), 'process-exporter.yml');
  const group = { name: '{{.PID}}', cmdline: [patternOf(argv)] };
  writeFileSync(config, JSON.stringify({ process_names: [group] })); // JSON is YAML
  const port = await freePort();
  const flags = lean ? ['-threads=false', '-gather-smaps=false'] : [];
  const args = ['-config.path', config, '-web.listen-address', `127.0.0.1:${port}`, ...flags];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  scope.teardown(() => end(child));
  const url = `http://127.0.0.1:${port}/metrics`;
  await waitFor('process-exporter to answer', () => fetch(url).then(({ ok }) => ok, () => false), PATIENCE_MS);
  const name = lean ? 'process-exporter, lean' : 'process-exporter';
  return { name, pid: child.pid!, url, markOfOne: `groupname="${pidOfOne}"` };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  process.kill(child.pid!, 'SIGCONT');
  child.kill();
  await ended;
}
