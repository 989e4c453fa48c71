import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { whyNoFiles } from '../../../src/act/evidence/app-user.js';

t.test('who may write into a folder of this user: itself and root', async (t) => {
  const status = (uids: string) => `Name:\tnode\nPid:\t7\nUid:\t${uids}\nGid:\t5\t5\t5\t5\n`;
  const proc = t.testdir({
    7: { status: status('1001\t1001\t1001\t1001') },
    8: { status: status('1000\t1000\t1000\t1000') },
    9: { status: status('0\t0\t0\t0') },
    10: { status: status('0\t1001\t0\t1001') },
    11: { status: 'Name:\tnode\n' },
  });
  const why = 'the app runs as another user (1001) than heapwarden (1000), and cannot write into its folder';
  const answers = await Promise.all([7, 8, 9, 10, 11, 12].map((pid) => whyNoFiles(pid, proc, 1000)));
  t.strictSame(answers, [why, null, null, why, null, null], 'where it is not known, it is tried');
  t.match(await whyNoFiles(7, proc, 0), /another user \(1001\) than heapwarden \(0\)/, "nor into root's");
  t.equal(await whyNoFiles(process.pid), null, 'this one');
});

const asRoot = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'takes root on Linux, who can become others';

t.test('a process that has given up root', { skip: asRoot }, async (t) => {
  const child = spawn(process.execPath, ['-e', 'process.setuid(4243); console.log(1); setInterval(() => {}, 1e6)'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  t.match(await whyNoFiles(child.pid!), /another user \(4243\) than heapwarden \(0\)/);
});
