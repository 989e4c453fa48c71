/** What the commands print into a pipe, as `heapwarden incidents --json | jq` reads it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { runPlain, spawnPlain } from './plain-node.js';
import { CLI } from './warden-process.js';

/** More than a pipe holds (64 KiB on Linux, pipe(7)). */
const incidents = Array.from({ length: 1000 }, (_, i) => ({ id: `i${i}`, sentence: 'x'.repeat(500), timestamp_seconds: i, action: 'refuse' }));

t.test('what is more than a pipe holds is printed whole, to a reader that takes its time', async (t) => {
  const server = createServer((_request, response) => response.end(JSON.stringify({ incidents }))).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const { code, out } = await runPlain([CLI, 'incidents', `--url=${url}`, '--json']);
  t.equal(code, 0);
  t.strictSame(JSON.parse(out), incidents);

  const late = spawnPlain([CLI, 'incidents', `--url=${url}`]);
  const ended = once(late, 'exit');
  await sleep(1500);
  t.equal(late.exitCode, null, 'it waits for its reader');
  const parts = await late.stdout.toArray();
  t.equal(Buffer.concat(parts).toString().split('\n').length, incidents.length + 1);
  t.strictSame(await ended, [0, null]);

  const left = spawnPlain([CLI, 'incidents', `--url=${url}`]);
  const [, over] = [left.stdout.destroy(), once(left, 'exit')];
  const said = await left.stderr.toArray();
  t.strictSame(await over, [0, null], 'nor does it stay for one who has gone, as head(1)');
  t.equal(Buffer.concat(said).toString(), '');
});
