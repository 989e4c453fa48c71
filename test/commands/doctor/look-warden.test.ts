import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { groupOf } from '../../../src/commands/doctor/look-warden.js';

t.test('the group whose users may report', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hw-group-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'agent.sock');
  t.equal(await groupOf(path), null, 'no socket');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => server.close());
  chmodSync(path, 0o600);
  t.equal(await groupOf(path), null);
  chmodSync(path, 0o660);
  t.equal(await groupOf(path), statSync(path).gid);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  chmodSync(file, 0o660);
  t.equal(await groupOf(file), null, 'a file is none');
});
