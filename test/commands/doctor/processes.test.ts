/** The processes of this very machine, and of a container, as far as its pids go. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { readProcesses, type ProcessTable } from '../../../src/commands/doctor/processes.js';
import { processSource } from '../../../src/observe/processes.js';
import { cannotRun } from '../../parts/index.js';

const UNSHARE = [...(process.getuid?.() === 0 ? [] : ['-r']), '--pid', '--fork', '--kill-child'];

async function table(): Promise<ProcessTable> {
  const read = await readProcesses(processSource());
  return 'value' in read ? read.value : new Map();
}

t.test('which are in a container beside us', async (t) => {
  const child = spawn('unshare', [...UNSHARE, 'sh', '-c', 'echo 1; read line'], { stdio: ['pipe', 'pipe', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  const started = await Promise.race([once(child.stdout, 'data'), once(child, 'close').then(() => null)]);
  if (!started) return cannotRun(t, 'no pids of its own');
  const all = await table();
  const inside = [...all.values()].filter(({ parent }) => parent === child.pid);
  t.match([...inside, all.get(process.pid)], [{ name: 'sh', isOwn: true, sharesPids: false }, { isOwn: true, isNode: true, sharesPids: true }]);
});
