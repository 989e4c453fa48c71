import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../../src/config/load.js';
import { HOST } from './report-of.js';

/** The user id that by convention owns nothing. */
const NOBODY = 65_534;

t.test('a file is read and parsed', async (t) => {
  const dir = t.testdir({ 'heapwarden.yml': 'sample_interval: 10s\nauth: { token_file: token }\n' });
  t.match(await loadConfig(join(dir, 'heapwarden.yml'), HOST), {
    sample_interval: 10_000,
    state_dir: '/home/ada/.local/state/heapwarden',
    auth: { token_file: join(dir, 'token') },
  });
});

t.test('the environment decides where it is asked to', async (t) => {
  const dir = t.testdir({ 'heapwarden.yml': '' });
  const config = await loadConfig(join(dir, 'heapwarden.yml'), { env: { STATE_DIRECTORY: '/var/lib/of-the-service' } });
  t.equal(config.state_dir, '/var/lib/of-the-service');
});

t.test('a file that is wrong', async (t) => {
  const file = join(t.testdir({ 'heapwarden.yml': 'trigger: never\n' }), 'heapwarden.yml');
  await t.rejects(loadConfig(file, HOST), {
    code: 'CONFIG_INVALID',
    message:
      `${file}:1:10: trigger must be embedded, alertmanager or both, not "never"\n` +
      '  trigger: never\n           ^\n1 problem',
  });
});

t.test('a file that cannot be read', async (t) => {
  const dir = t.testdir({ 'binary.yml': '' });
  const missing = join(dir, 'missing.yml');
  await t.rejects(loadConfig(missing), {
    code: 'CONFIG_UNREADABLE',
    message: `there is no config file at ${missing}; write one there, or name yours with --config.file`,
  });
  await t.rejects(loadConfig(dir), { code: 'CONFIG_UNREADABLE', message: /is a folder; name the config file in it/ });
  const binary = join(dir, 'binary.yml');
  writeFileSync(binary, Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]));
  await t.rejects(loadConfig(binary), { code: 'CONFIG_UNREADABLE', message: /is not UTF-8 text; save it as UTF-8/ });
});

const skip = process.platform === 'win32' && 'Windows has no file modes';
t.test('a file that may not be read', { skip }, async (t) => {
  const file = join(t.testdir({ 'secret.yml': '' }), 'secret.yml');
  chmodSync(file, 0o000);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY); // root may read everything
  const error: unknown = await loadConfig(file).catch((reason: unknown) => reason);
  if (isRoot) process.seteuid?.(0);
  t.match(error, {
    code: 'CONFIG_UNREADABLE',
    message: `heapwarden may not read ${file}; change its permissions, or run heapwarden as a user who may`,
  });
});
