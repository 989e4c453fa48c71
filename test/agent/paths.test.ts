import { lchownSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { socketPaths, type Surroundings } from '../../src/agent/paths.cjs';
import { defaultAgentSocket } from '../../src/config/paths.js';

const user: Surroundings = { platform: 'linux', uid: 1000, env: {}, tmpdir: '/tmp', ownerOf: () => 1000 };
const root: Surroundings = { ...user, uid: 0, ownerOf: () => 0 };
const XDG_RUNTIME_DIR = '/run/user/1000';

t.same(socketPaths({ ...user, env: { HEAPWARDEN_SOCKET: '/x.sock', XDG_RUNTIME_DIR } }), ['/x.sock'], 'told where');
t.same(
  socketPaths({ ...user, env: { HEAPWARDEN_SOCKET: '', XDG_RUNTIME_DIR } }),
  ['/run/user/1000/heapwarden/agent.sock', '/tmp/heapwarden-1000/agent.sock', '/run/heapwarden/agent.sock'],
  'its own first, then the system-wide one',
);
t.same(socketPaths(root), ['/run/heapwarden/agent.sock', '/tmp/heapwarden-0/agent.sock'], 'for root the other way');
t.same(socketPaths({ ...user, env: { XDG_RUNTIME_DIR: 'here' } }).length, 2, 'XDG: a relative path is to be ignored');
t.same(socketPaths({ ...user, ownerOf: () => 1001 }), ['/run/heapwarden/agent.sock'], "another user's folder in /tmp");
t.same(socketPaths({ ...user, ownerOf: () => null }), ['/run/heapwarden/agent.sock'], 'no folder in /tmp');
t.same(socketPaths({ ...user, platform: 'win32' }), ['\\\\.\\pipe\\heapwarden-agent']);

for (const host of [user, root, { ...user, env: { XDG_RUNTIME_DIR } }, { ...user, platform: 'win32' as const }]) {
  const wardens = defaultAgentSocket({ ...host, home: '/home/user' });
  t.equal(socketPaths(host)[0], wardens, `a warden with the same surroundings is tried first: ${wardens}`);
}

const skip = process.platform === 'win32' && 'Windows has no such folders';
t.test("a folder that cannot be looked at, and another user's link, are none of our warden", { skip }, async (t) => {
  const dir = t.testdir({ file: '', real: {} });
  const before = { ...process.env };
  t.teardown(() => {
    process.env = before;
  });
  delete process.env['HEAPWARDEN_SOCKET'];
  delete process.env['XDG_RUNTIME_DIR'];
  const name = `heapwarden-${process.getuid!()}`;
  const found = (tmpdir: string) => {
    process.env['TMPDIR'] = tmpdir;
    return socketPaths().includes(join(tmpdir, name, 'agent.sock'));
  };
  t.notOk(found(join(dir, 'file')), 'below a file, where older versions of Node throw');
  t.notOk(found(dir));
  mkdirSync(join(dir, name));
  t.ok(found(dir), 'our own');
  symlinkSync(join(dir, name), join(dir, 'real', name));
  t.ok(found(join(dir, 'real')), 'a link of our own is ours, wherever it leads');
  if (process.getuid!() !== 0) return t.comment("another user's link takes root to be made");
  lchownSync(join(dir, 'real', name), 65_534, 65_534);
  t.notOk(found(join(dir, 'real')), "another user's may lead to another place at any time");
});
