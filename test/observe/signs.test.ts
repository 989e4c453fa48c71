import { spawnSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { close, open, url } from 'node:inspector';
import { connect, createServer, type AddressInfo } from 'node:net';
import t from 'tap';
import { hasEstablished, parseMemoryPressure, signReader } from '../../src/observe/signs.js';
import { cannotRun } from '../parts/index.js';
import { plainNode, run, said, until } from './support.js';

const readSigns = signReader('linux');
/** What Node cannot do by itself: to map a file, and to trace a process. */
const noPython = spawnSync('python3', ['--version']).status === 0 ? null : 'python3 is not on this machine';
/** Its pages are never read from a disk. statfs(2): TMPFS_MAGIC */
const noDisk = statfsSync('.').type === 0x01021994 ? 'the working folder is on no disk' : null;

// Recorded on Linux 6.18: a listener on 9229, a connection to it with both its ends, and one that is closing.
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:240D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41829 1 00000000846bbabf 100 0 0 10 0
   1: 0100007F:B3F2 0100007F:240D 01 00000000:00000000 00:00000000 00000000     0        0 41830 1 00000000c0ffee00 20 4 30 10 -1
  12: 0100007F:240D 0100007F:B3F2 01 00000000:00000000 00:00000000 00000000     0        0 41831 1 00000000c0ffee01 20 4 30 10 -1
  13: 0100007F:240E 0100007F:B3F4 06 00000000:00000000 03:00001766 00000000     0        0 0 3 00000000c0ffee02
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:0050 00000000000000000000000001000000:B3F6 01 00000000:00000000 00:00000000 00000000     0        0 41840 1 00000000c0ffee03 20 4 30 10 -1
`;

t.test('who is connected, out of the kernel’s tables', (t) => {
  t.equal(hasEstablished(TCP, 0x240d), true);
  t.equal(hasEstablished(TCP, 0x240e), false, 'one that closes is no debugger any more');
  t.equal(hasEstablished(TCP.replace(/^ +1?[12]:.*\n/gm, ''), 0x240d), false, 'nor is it enough to listen');
  t.equal(hasEstablished(TCP.replace(/^ +12:.*\n/gm, ''), 0x240d), false, 'the other end is somebody else’s');
  t.equal(hasEstablished(TCP6, 80), true, 'a short port, in IPv6');
  t.equal(hasEstablished(TCP6, 8080), false);
  t.equal(hasEstablished('', 80), false);
  t.end();
});

t.test('memory pressure', (t) => {
  const pressure = (full: string) => `some avg10=99.00 avg60=61.70 avg300=5.04 total=1\n${full}`;
  t.equal(parseMemoryPressure(pressure('full avg10=42.50 avg60=20.11 avg300=3.00 total=18446744\n')), 0.425);
  t.equal(parseMemoryPressure(pressure('full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n')), 0);
  t.equal(parseMemoryPressure(pressure('')), null);
  t.equal(parseMemoryPressure(''), null, 'a kernel without it');
  t.end();
});

t.test('this very process', async (t) => {
  const before = process.resourceUsage().majorPageFault;
  const signs = (await readSigns(process.pid, null))!;
  const after = process.resourceUsage().majorPageFault;
  const faults = signs.majorFaults!;
  t.ok(faults >= before && faults <= after, `${faults} is between ${before} and ${after}`);
  t.match(signs, { stoppedBy: null, debuggerAttached: false });
  const { memoryPressure } = signs;
  t.ok(memoryPressure === null || (memoryPressure >= 0 && memoryPressure <= 1), `pressure ${memoryPressure}`);
  t.equal(await readSigns(2 ** 22 + 1, null), null, 'beyond any pid');
});

t.test('faults of a process that reads its memory from a disk', async (t) => {
  const why = noPython ?? noDisk;
  if (why !== null) return cannotRun(t, why);
  const script = `
import mmap, os, signal, tempfile
def stop(): os.kill(os.getpid(), signal.SIGSTOP)
with tempfile.TemporaryFile(dir='.') as file: # without a name, so that nothing is left behind
    file.write(os.urandom(400 * 4096)); file.flush(); os.fsync(file.fileno())
    memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    memory.madvise(mmap.MADV_RANDOM)
    print('ready', flush=True); stop()
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    sum(memory[page * 4096] for page in range(400))
    print('done', flush=True); stop()
`;
  const python = run(t, 'python3', '-c', script);
  await said(python);
  const stopped = () => until('it to stop', async () => {
    const signs = await readSigns(python.pid, null);
    return signs?.stoppedBy === 'signal' && signs;
  });
  const before = await stopped();
  python.kill('SIGCONT');
  await said(python);
  const { majorFaults } = await stopped();
  const found = majorFaults! - before.majorFaults!;
  t.ok(found >= 100, `${found} faults`);
});

t.test('stopped by a signal, in a foreign program', async (t) => {
  const child = run(t, 'sleep', '1000');
  t.match(await readSigns(child.pid, null), { stoppedBy: null });
  child.kill('SIGSTOP');
  for (const platform of ['linux', 'darwin'] as const) {
    const read = signReader(platform);
    const isStopped = async () => (await read(child.pid, null))?.stoppedBy === 'signal';
    await until(`it to be seen as stopped, as on ${platform}`, isStopped);
  }
  child.kill('SIGCONT');
  for (const platform of ['linux', 'darwin'] as const) {
    const read = signReader(platform);
    const goesOn = async () => (await read(child.pid, null))?.stoppedBy === null;
    await until(`it to be seen as going on, as on ${platform}`, goesOn);
  }
  t.equal(await signReader('darwin')(2 ** 22 + 1, null), null, 'gone');
});

t.test('somebody is connected to its inspector', async (t) => {
  open(0, '127.0.0.1');
  t.teardown(() => close());
  const port = Number(new URL(url()!).port);
  t.match(await readSigns(process.pid, port), { debuggerAttached: false }, 'open, but alone');
  const debuggerEnd = connect(port, '127.0.0.1');
  t.teardown(() => debuggerEnd.destroy());
  await until('the connection', async () => (await readSigns(process.pid, port))!.debuggerAttached);
  t.match(await readSigns(process.pid, null), { debuggerAttached: false }, 'not looked for where none is open');
  debuggerEnd.destroy();
  await until('its end', async () => !(await readSigns(process.pid, port))!.debuggerAttached);
});

t.test('in IPv6', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '::1', resolve);
  });
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  t.match(await readSigns(process.pid, port), { debuggerAttached: false });
  const client = connect(port, '::1');
  t.teardown(() => client.destroy());
  await until('the connection', async () => (await readSigns(process.pid, port))!.debuggerAttached);
});

t.test('held by a tracer', async (t) => {
  if (noPython !== null) return cannotRun(t, noPython);
  const [program, ...args] = plainNode('-e', 'setInterval(() => {}, 1e6); console.log("up")');
  const child = run(t, program, ...args);
  await said(child);
  // PTRACE_SEIZE and PTRACE_INTERRUPT (ptrace(2)), as a debugger does that attaches.
  const trace = `
import ctypes, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
for request in (0x4206, 0x4207):
    if ptrace(request, ${child.pid}, None, None) != 0: sys.exit(ctypes.get_errno())
print('attached', flush=True)
import time; time.sleep(1000)
`;
  const tracer = run(t, 'python3', '-c', trace);
  await said(tracer);
  await until('it to be held', async () => (await readSigns(child.pid, null))?.stoppedBy === 'tracer');
  tracer.kill('SIGKILL');
  await until('it to be let go', async () => (await readSigns(child.pid, null))?.stoppedBy === null);
});
