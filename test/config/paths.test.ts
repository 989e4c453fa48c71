import t from 'tap';
import { parseConfig } from '../../src/config/parse.js';
import {
  defaultAgentSocket,
  defaultStateDir,
  fromConfigFile,
  socketDefect,
  type Host,
} from '../../src/config/paths.js';
import { HOST } from './report-of.js';

const linux = HOST;
const root: Host = { ...HOST, uid: 0, home: '/root' };
const mac: Host = { ...HOST, platform: 'darwin', uid: 501, home: '/Users/ada', tmpdir: '/var/folders/x/T' };
const windows: Host = {
  platform: 'win32',
  uid: undefined,
  env: {},
  home: 'C:\\Users\\ada',
  tmpdir: 'C:\\Users\\ada\\AppData\\Local\\Temp',
};
const withEnv = (host: Host, env: Host['env']): Host => ({ ...host, env });

t.test('state folder', async (t) => {
  const rules: [string, Host, string][] = [
    ['Linux, root', root, '/var/lib/heapwarden'],
    ['Linux, a user', linux, '/home/ada/.local/state/heapwarden'],
    ['XDG', withEnv(linux, { XDG_STATE_HOME: '/data/state' }), '/data/state/heapwarden'],
    ['XDG, relative', withEnv(linux, { XDG_STATE_HOME: 'state' }), '/home/ada/.local/state/heapwarden'],
    ['XDG, empty', withEnv(linux, { XDG_STATE_HOME: '' }), '/home/ada/.local/state/heapwarden'],
    ['systemd', withEnv(root, { STATE_DIRECTORY: '/var/lib/warden' }), '/var/lib/warden'],
    ['systemd, several', withEnv(linux, { STATE_DIRECTORY: '/var/lib/a:/var/lib/b' }), '/var/lib/a'],
    ['systemd, empty', withEnv(root, { STATE_DIRECTORY: '' }), '/var/lib/heapwarden'],
    ['macOS', mac, '/Users/ada/Library/Application Support/heapwarden'],
    ['Windows', withEnv(windows, { LOCALAPPDATA: 'D:\\Local' }), 'D:\\Local\\heapwarden'],
    ['Windows, bare', windows, 'C:\\Users\\ada\\AppData\\Local\\heapwarden'],
  ];
  for (const [name, host, expected] of rules) t.equal(defaultStateDir(host), expected, name);
});

t.test('agent socket', async (t) => {
  const rules: [string, Host, string][] = [
    ['Linux, root', withEnv(root, { XDG_RUNTIME_DIR: '/run/user/0' }), '/run/heapwarden/agent.sock'],
    ['Linux, a user', withEnv(linux, { XDG_RUNTIME_DIR: '/run/user/1000' }), '/run/user/1000/heapwarden/agent.sock'],
    ['Linux, a user with no session', linux, '/tmp/heapwarden-1000/agent.sock'],
    ['XDG, relative', withEnv(linux, { XDG_RUNTIME_DIR: 'run' }), '/tmp/heapwarden-1000/agent.sock'],
    ['systemd', withEnv(linux, { RUNTIME_DIRECTORY: '/run/warden' }), '/run/warden/agent.sock'],
    ['systemd, several', withEnv(root, { RUNTIME_DIRECTORY: '/run/a:/run/b' }), '/run/a/agent.sock'],
    ['macOS', mac, '/var/folders/x/T/heapwarden-501/agent.sock'],
    ['Windows', windows, '\\\\.\\pipe\\heapwarden-agent'],
  ];
  for (const [name, host, expected] of rules) {
    t.equal(defaultAgentSocket(host), expected, name);
    t.equal(socketDefect(expected, host), null, `${name}: can be listened on`);
  }
});

t.test('what a socket may be called', async (t) => {
  t.equal(socketDefect(`/${'s'.repeat(106)}`, linux), null, '107 bytes on Linux');
  t.match(socketDefect(`/${'s'.repeat(107)}`, linux), /^agent_socket is 108 bytes long, .* has room for 107; /);
  t.match(socketDefect(`/${'ß'.repeat(54)}`, linux), /^agent_socket is 109 bytes long/, 'bytes, not letters');
  t.equal(socketDefect(`/${'s'.repeat(102)}`, mac), null, '103 bytes on macOS');
  t.match(socketDefect(`/${'s'.repeat(103)}`, mac), /has room for 103/);
  t.equal(
    socketDefect('C:\\agent.sock', windows),
    'agent_socket must be a named pipe such as \\\\.\\pipe\\heapwarden-agent, not "C:\\agent.sock"',
  );
});

t.test('a path in the file is relative to its folder', async (t) => {
  t.equal(fromConfigFile('/etc/heapwarden/heapwarden.yml', 'token', linux), '/etc/heapwarden/token');
  t.equal(fromConfigFile('/etc/heapwarden/heapwarden.yml', '../state', linux), '/etc/state');
  t.equal(fromConfigFile('/etc/heapwarden/heapwarden.yml', '/srv/state', linux), '/srv/state');
  t.equal(fromConfigFile('heapwarden.yml', '.', linux), process.cwd());
  t.equal(fromConfigFile('C:\\heapwarden\\heapwarden.yml', 'state\\x', windows), 'C:\\heapwarden\\state\\x');
});

t.test('every path of a config is absolute', async (t) => {
  const text = `
state_dir: state
agent_socket: run/agent.sock
apps: [{ name: shop, supervisor: { child: { command: [node, app.js], cwd: shop } } }]
`;
  t.match(parseConfig(text, { ...linux, file: '/srv/heapwarden.yml' }), {
    state_dir: '/srv/state',
    agent_socket: '/srv/run/agent.sock',
    auth: { token_file: '/srv/state/token' },
    apps: [{ supervisor: { child: { cwd: '/srv/shop' } } }],
  });
  t.match(parseConfig('auth: { token_file: token }', { ...linux, file: '/srv/heapwarden.yml' }), {
    auth: { token_file: '/srv/token' },
  });
  const onWindows = parseConfig('state_dir: D:\\state\nagent_socket: \\\\.\\pipe\\shop', {
    ...windows,
    file: 'C:\\heapwarden.yml',
  });
  t.match(onWindows, {
    state_dir: 'D:\\state',
    agent_socket: '\\\\.\\pipe\\shop',
    auth: { token_file: 'D:\\state\\token' },
  });
});

t.test('a default socket that is too long is told as well, with what to set', async (t) => {
  const host = withEnv(linux, { XDG_RUNTIME_DIR: `/run/${'deep/'.repeat(20)}` });
  t.throws(() => parseConfig('trigger: both\n', { ...host, file: 'heapwarden.yml' }), {
    code: 'CONFIG_INVALID',
    message: /^heapwarden\.yml:1:1: agent_socket is 126 bytes long, .*; set a shorter one than \/run\/deep/,
  });
});
