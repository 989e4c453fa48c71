/** One warden a state folder. */
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { StateLock } from '../../src/act/lock.js';
import { LinuxProcesses } from '../../src/observe/linux.js';
import type { ProcessTable } from '../../src/supervisors/contract.js';

const processes = new LinuxProcesses();

t.test('taken, released, and nothing is left', async (t) => {
  const dir = join(t.testdir(), 'made', 'where missing');
  const lock = await StateLock.take(dir, processes);
  t.strictSame(readdirSync(dir), ['warden.lock']);
  t.match(JSON.parse(readFileSync(join(dir, 'warden.lock'), 'utf8')), { pid: process.pid, start: Number });
  await lock.release();
  t.strictSame(readdirSync(dir), []);
});

t.test('a live holder keeps it, a dead one does not', async (t) => {
  const dir = t.testdir();
  const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
  const gone = new Promise((resolve) => holder.once('exit', resolve));
  t.teardown(() => holder.kill('SIGKILL'));
  const id = (await processes.identify(holder.pid!))!;
  writeFileSync(join(dir, 'warden.lock'), JSON.stringify(id));
  await t.rejects(StateLock.take(dir, processes), {
    code: 'STATE_IN_USE',
    message: `another heapwarden (pid ${holder.pid}) uses the state folder ${dir}. Stop it first, or give this one a state_dir of its own in the config`,
  });
  t.strictSame(readdirSync(dir), ['warden.lock'], 'the lock is as it was');

  holder.kill('SIGKILL');
  await gone;
  await (await StateLock.take(dir, processes)).release();

  writeFileSync(join(dir, 'warden.lock'), JSON.stringify({ ...(await processes.identify(process.ppid))!, start: 1 }));
  await (await StateLock.take(dir, processes)).release();
  writeFileSync(join(dir, 'warden.lock'), 'half a li');
  await (await StateLock.take(dir, processes)).release();
});

t.test('of many at once, one has it', async (t) => {
  const dir = t.testdir();
  const script = `
    import { StateLock } from ${JSON.stringify(new URL('../../dist/act/lock.js', import.meta.url).href)};
    import { LinuxProcesses } from ${JSON.stringify(new URL('../../dist/observe/linux.js', import.meta.url).href)};
    try { await StateLock.take(${JSON.stringify(dir)}, new LinuxProcesses()); console.log('mine'); setInterval(() => {}, 1e6); }
    catch (error) { console.log(error.code); }`;
  const said: string[] = [];
  const children = Array.from({ length: 6 }, () => spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] }));
  t.teardown(() => children.forEach((child) => child.kill('SIGKILL')));
  await Promise.all(children.map((child) => new Promise<void>((resolve) => child.stdout.once('data', (word: Buffer) => (said.push(String(word).trim()), resolve())))));
  t.strictSame(said.toSorted(), [...Array.from({ length: 5 }, () => 'STATE_IN_USE'), 'mine']);
});

t.test('a dead lock is taken over once, by whoever is first', async (t) => {
  const dir = t.testdir();
  const path = join(dir, 'warden.lock');
  const dead = { pid: process.ppid, start: 1 };
  writeFileSync(path, JSON.stringify(dead));
  const winner = (await processes.identify(process.ppid))!;
  let looks = 0;
  const meanwhile: ProcessTable = {
    tree: (root) => processes.tree(root),
    identify: async (pid) => {
      // While this one looks at the dead holder, another takes its lock over.
      if (pid === dead.pid && looks++ === 0) writeFileSync(path, JSON.stringify(winner));
      return processes.identify(pid);
    },
  };
  await t.rejects(StateLock.take(dir, meanwhile), { code: 'STATE_IN_USE', message: new RegExp(`pid ${winner.pid}\\)`) });
  t.strictSame(JSON.parse(readFileSync(path, 'utf8')), winner, 'the lock is the first one\'s');
  t.strictSame(readdirSync(dir), ['warden.lock']);
});

t.test('a holder that cannot be looked at is no dead one', async (t) => {
  const dir = t.testdir();
  const lock = JSON.stringify({ pid: process.ppid, start: 1 });
  writeFileSync(join(dir, 'warden.lock'), lock);
  const blind: ProcessTable = {
    tree: (root) => processes.tree(root),
    identify: (pid) => (pid === process.pid ? processes.identify(pid) : Promise.reject(new Error('EMFILE'))),
  };
  await t.rejects(StateLock.take(dir, blind), { code: 'STATE_UNWRITABLE', message: /EMFILE/ });
  t.equal(readFileSync(join(dir, 'warden.lock'), 'utf8'), lock);
  t.strictSame(readdirSync(dir), ['warden.lock']);
});

t.test('a folder that cannot be used', async (t) => {
  const dir = t.testdir({ file: '' });
  await t.rejects(StateLock.take(join(dir, 'file'), processes), { code: 'STATE_UNWRITABLE' });
});
