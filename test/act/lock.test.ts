/** One warden a state folder. */
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { StateLock } from '../../src/act/lock.js';
import { LinuxProcesses } from '../../src/observe/linux.js';

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

t.test('a folder that cannot be used', async (t) => {
  const dir = t.testdir({ file: '' });
  await t.rejects(StateLock.take(join(dir, 'file'), processes), { code: 'STATE_UNWRITABLE' });
});
