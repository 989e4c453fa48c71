/** Real processes, told apart by /proc alone. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { AgentWorker } from '../../../src/commands/doctor/agents.js';
import { agentWorkersOf } from '../../../src/commands/doctor/look-workers.js';
import type { Entry } from '../../../src/commands/doctor/processes.js';
import type { AppStatus } from '../../../src/publish/app-shape.js';
import { cannotRun } from '../../parts/index.js';
import { entry, tableOf } from './support.js';

const UNSHARE = process.getuid?.() === 0 ? ['unshare'] : ['unshare', '-r'];

/** This process plays the warden. */
const warden = entry(process.pid, 1, 'heapwarden serve');

/** What is told of a worker that `command` runs, a Node.js whose agent is silent. */
const look = (t: Test, ...command: string[]): Promise<AgentWorker> => lookBeside(t, warden, ...command);

async function lookBeside(t: Test, holder: Entry, ...command: string[]): Promise<AgentWorker> {
  const [program, ...args] = [...command, '-e', 'console.log(1); setInterval(() => {}, 1e6)'];
  const child = spawn(program!, args, { env: { PATH: process.env['PATH'] }, stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const status = { workers: [{ worker: '0', up: true, pid: child.pid, node_version: null }] } as unknown as AppStatus;
  const [worker] = await agentWorkersOf(status, { value: tableOf(holder, entry(child.pid!, 1, 'node server.js')) }, holder.pid);
  return worker!;
}

/** False where this user can have no namespaces of that kind. */
function canUnshare(option: string): boolean {
  try {
    execFileSync(UNSHARE[0]!, [...UNSHARE.slice(1), option, 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

t.test('its version is asked of what is called node', async (t) => {
  t.equal((await look(t, process.execPath)).node, process.versions.node);
});

t.test('and of nothing else: an app that is one executable would start a second time', async (t) => {
  const shop = join(t.testdir(), 'shop');
  copyFileSync(process.execPath, shop, constants.COPYFILE_FICLONE);
  t.equal((await look(t, shop)).node, null);
});

t.test("nor of a container's, which would run out here", async (t) => {
  if (!canUnshare('--mount')) return cannotRun(t, 'no mounts of its own');
  t.equal((await look(t, ...UNSHARE, '--mount', process.execPath)).node, null);
});

t.test('whether the inspector could reach it', async (t) => {
  t.equal((await look(t, process.execPath)).isInReach, true);
  t.equal((await lookBeside(t, { ...warden, isOwn: false }, process.execPath)).isInReach, false, "another user's warden");
  const gone = (await agentWorkersOf({ workers: [{ pid: 10 }] } as unknown as AppStatus, { value: tableOf(warden) }, warden.pid))[0]!;
  t.equal(gone.isInReach, false, "another user's app, or none of Node.js's");
  if (!canUnshare('--net')) return cannotRun(t, 'no network of its own');
  t.equal((await look(t, ...UNSHARE, '--net', process.execPath)).isInReach, false, 'in a network of its own');
});
