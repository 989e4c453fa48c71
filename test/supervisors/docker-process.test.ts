/** On recorded /proc files: another machine's pid, a zombie, cgroups of both versions. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import type { Clock } from '../../src/clock.js';
import { pidSeenHere } from '../../src/supervisors/docker-process.js';

const ID = 'c'.repeat(64);
const container = { id: ID, name: 'shop', pid: 42 };

/** Its time goes on only while somebody sleeps. */
function quickClock(): Clock {
  let now = 0;
  return { now: () => now, monotonic: () => now, sleep: async (ms) => void (now += ms) };
}

function files(t: Test, content: Record<string, string>): string {
  const root = t.testdir({});
  for (const [path, text] of Object.entries(content)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

t.test("a container's process is known by its cgroup", async (t) => {
  const seen = (cgroup: string | null, current: boolean[]) => {
    const proc = files(t, cgroup === null ? {} : { '42/cgroup': cgroup });
    return pidSeenHere(container, async () => current.shift() ?? true, quickClock(), proc);
  };
  t.equal(await seen(`0::/system.slice/docker-${ID}.scope\n`, []), 42, 'version 2, by systemd');
  t.equal(await seen(`4:memory:/docker/${ID}\n0::/\n`, []), 42, 'version 1');
  t.equal(await seen(`0::/../${ID}\n`, []), 42, 'from a container with a cgroup namespace of its own');
  t.equal(await seen(`0::/machine.slice/libpod-${ID}.scope/container\n`, []), 42, 'Podman');
  t.equal(await seen(null, [true, true, false]), null, 'it has just ended');
  t.equal(await seen('0::/\n', [true, false]), null, 'a zombie has left its cgroup');
  await t.rejects(seen(null, []), {
    code: 'SUPERVISOR_UNREACHABLE',
    message: /^Docker says that "shop" runs as process 42, but there is none here: heapwarden must run on the Linux machine .* takes pid: host/,
  });
  await t.rejects(seen('0::/user.slice\n', []), { message: /, but the process that has it here is none of that container:/ });
  t.equal(await pidSeenHere({ ...container, pid: null }, async () => true, quickClock()), null);
});
