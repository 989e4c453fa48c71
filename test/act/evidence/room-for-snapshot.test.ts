import { join } from 'node:path';
import t from 'tap';
import { cgroupRoom, roomFor, whyNoSnapshot } from '../../../src/act/evidence/room-for-snapshot.js';
import { memoryCgroup } from '../../../src/observe/cgroup.js';

const GB = 1e9;
const room = { machine: 8 * GB, cgroup: 2 * GB, disk: 50 * GB };

t.test('a snapshot only where memory, disk and time are certain to suffice', async (t) => {
  t.equal(whyNoSnapshot(20e6, room, 4000), null);
  t.equal(whyNoSnapshot(300e6, room, 60_000), 'a heap of 300 MB may take 3 GB, and its cgroup has 2 GB left');
  t.equal(whyNoSnapshot(300e6, { ...room, cgroup: Infinity, machine: GB }, 60_000), 'a heap of 300 MB may take 3 GB, and the machine has 1 GB left');
  t.equal(whyNoSnapshot(100e6, { ...room, disk: 3e8 }, 60_000), 'a heap of 100 MB may take 400 MB of disk space, and 300 MB are left');
  t.equal(whyNoSnapshot(100e6, room, 4750), 'a heap of 100 MB may take 10 s, and evidence.timeout leaves 4.8 s');
  t.match(whyNoSnapshot(20e6, { ...room, cgroup: null }, 4000), 'could not be found out');
});

t.test('the cgroup of a process, of both versions', async (t) => {
  t.match(memoryCgroup('0::/user.slice/app.scope\n', '/sys/fs/cgroup'), { folder: '/sys/fs/cgroup/user.slice/app.scope', version: 2 });
  const v1 = '9:name=systemd:/\n4:cpu,memory:/docker/x:y\n0::/\n';
  t.match(memoryCgroup(v1, '/sys/fs/cgroup'), { folder: '/sys/fs/cgroup/memory/docker/x:y', version: 1 });
  t.equal(memoryCgroup('', '/sys/fs/cgroup'), null);

  const dir = t.testdir({
    proc: {
      7: { cgroup: '0::/a/b\n' }, 8: { cgroup: '0::/free\n' }, 9: { cgroup: '4:memory:/m\n0::/\n' }, 10: { cgroup: '0::/a/none\n' },
      12: { cgroup: '0::/\n' },
    },
    sys: { fs: { cgroup: {
      a: { 'memory.max': '1000\n', 'memory.current': '400\n', none: {}, b: { 'memory.max': '900\n', 'memory.current': '100\n' } },
      free: { 'memory.max': 'max\n', 'memory.current': '100\n' },
      memory: { m: { 'memory.limit_in_bytes': '500\n', 'memory.usage_in_bytes': '700\n' } },
    } } },
  });
  t.equal(await cgroupRoom(7, dir), 600, 'the tightest of those around it');
  t.equal(await cgroupRoom(8, dir), Infinity);
  t.equal(await cgroupRoom(9, dir), 0, 'over its limit is no room');
  t.equal(await cgroupRoom(10, dir), 600, 'memory may be controlled around it alone');
  t.equal(await cgroupRoom(12, dir), Infinity, 'nothing bounds the root');
  if (process.platform === 'linux') t.equal(await cgroupRoom(11, dir), null, 'it has gone, or may not be looked at');
});

t.test('what bounds a process of another container is not known, rather than nothing', async (t) => {
  const dir = t.testdir({
    proc: {
      7: { cgroup: '0::/../cri-containerd-7.scope\n' }, 8: { cgroup: '0::/..\n' }, 9: { cgroup: '0::/..data\n' },
      10: { cgroup: '4:memory:/docker/other\n0::/\n' }, 11: { cgroup: '4:memory:/docker/own\n0::/\n' },
      12: { cgroup: '0::/../cgroup/own\n' },
      [process.pid]: { cgroup: '4:memory:/docker/own\n0::/\n' },
    },
    sys: { fs: { cgroup: {
      own: {},
      '..data': { 'memory.max': '1000\n', 'memory.current': '400\n' },
      memory: { 'memory.limit_in_bytes': '500\n', 'memory.usage_in_bytes': '100\n' },
    } } },
  });
  for (const pid of [7, 8, 12]) t.equal(await cgroupRoom(pid, dir), null, 'outside of our own cgroup namespace');
  t.equal(await cgroupRoom(9, dir), 600, 'a name that begins so');
  t.equal(await cgroupRoom(10, dir), null, 'what is mounted here does not have it');
  t.equal(await cgroupRoom(11, dir), 400, 'but our own is the root of it, under whatever name');
  const bare = t.testdir({ proc: { [process.pid]: { cgroup: '0::/docker/own\n' } } });
  t.equal(await cgroupRoom(process.pid, bare), null, 'where anything is mounted at all');
});

t.test('this process on this machine', async (t) => {
  const { machine, cgroup, disk } = await roomFor(process.pid, t.testdir({}));
  t.ok(machine > 1e6 && disk > 0 && (cgroup ?? 0) > 0, JSON.stringify({ machine, cgroup, disk }));
  await t.rejects(roomFor(process.pid, join(t.testdirName, 'none')), { code: 'ENOENT' });
});
