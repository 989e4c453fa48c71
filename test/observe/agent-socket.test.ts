/** The agent socket's modes from the moment it is there. */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { listenOnSocket } from '../../src/observe/agent-socket.js';

const onPosix = process.platform === 'win32' ? 'Windows has named pipes' : false;
const asRoot = process.getuid?.() === 0 ? false : 'takes root, who can become others and give files away';

/** Looks at the socket as soon as bind(2) has made it, before anybody could have changed it. */
class Watched extends Server {
  modeAtFirst: number | null = null;

  override listen(...args: unknown[]): this {
    const server = Reflect.apply(super.listen, this, args) as this;
    this.modeAtFirst = statSync(String(args[0])).mode & 0o777;
    return server;
  }
}

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function listening(t: Test, path: string, group?: number) {
  const server = new Watched();
  const umask = process.umask(0);
  t.teardown(() => void process.umask(umask));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  const warnings = await listenOnSocket(server, path, group);
  process.umask(umask);
  return Object.assign(server, { warnings });
}

t.test('it is never more open than it ends up, whatever the umask', { skip: onPosix }, async (t) => {
  const path = join(folderOf(t), 'made', 'agent.sock');
  const server = await listening(t, path);
  t.equal(server.modeAtFirst, 0o600);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
});

t.test('for a group: closed until the group is the right one', { skip: onPosix || asRoot }, async (t) => {
  const path = join(folderOf(t), 'made', 'agent.sock');
  const server = await listening(t, path, 4242);
  t.equal(server.modeAtFirst, 0o600);
  t.match(statSync(path), { gid: 4242 });
  t.equal(statSync(path).mode & 0o777, 0o660);
});

t.test('a folder that somebody else was faster to make is refused', { skip: onPosix || asRoot }, async (t) => {
  const parent = folderOf(t);
  chmodSync(parent, 0o755);
  const folder = join(parent, 'heapwarden-4243');
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  chownSync(folder, 4244, 4244);
  const script = `
    import { listenOnSocket } from ${JSON.stringify(new URL('../../src/observe/agent-socket.ts', import.meta.url).href)};
    import { createServer } from 'node:net';
    process.setuid(4243);
    await listenOnSocket(createServer(), ${JSON.stringify(join(folder, 'agent.sock'))}).then(() => console.log('listens'), (error) => console.log(error.code, error.message));
    process.exit();`;
  const { stdout } = spawnSync(process.execPath, ['--import=tsx', '--input-type=module', '-e', script], { encoding: 'utf8' });
  t.match(stdout, new RegExp(`^STATE_UNWRITABLE cannot listen on the agent socket .*${folder} belongs to user 4244, who could take the socket's place`));
  const own = await listening(t, join(folder, 'agent.sock'));
  t.equal(own.modeAtFirst, 0o600, 'root may choose whose folder it uses');
  t.match(own.warnings, [/belongs to user 4244, who could take the socket's place and give orders to agents$/], 'and is told');
});

t.test('a folder that others may write into is told of', { skip: onPosix }, async (t) => {
  const warningsOf = async (mode: number) => {
    const folder = folderOf(t);
    chmodSync(folder, mode);
    return (await listening(t, join(folder, 'agent.sock'))).warnings;
  };
  for (const mode of [0o777, 0o775, 0o2777]) t.match(await warningsOf(mode), [/they could take its place and give orders to agents$/], mode.toString(8));
  t.match(await warningsOf(0o1777), [/they could take its place while heapwarden is down and give orders to agents$/], 'as /tmp is');
  for (const mode of [0o700, 0o755, 0o710, 0o2750, 0o1755]) t.strictSame(await warningsOf(mode), [], mode.toString(8));
  t.strictSame((await listening(t, join(folderOf(t), 'made', 'agent.sock'))).warnings, []);
});
