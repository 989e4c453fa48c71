import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { boundToPlatform } from './platforms.js';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** Whoever adds a file here has thought of what happens on the other systems, and says so at its head. */
const BOUND = [
  'act/evidence/app-file.ts',
  'act/evidence/app-user.ts',
  'act/evidence/room-for-snapshot.ts',
  'act/evidence/threads.ts',
  'agent/hello.cts',
  'commands/doctor/look-workers.ts',
  'commands/doctor/processes.ts',
  'observe/cgroup.ts',
  'observe/command-line.ts',
  'observe/inner-pid.ts',
  'observe/inspector-open.ts',
  'observe/kept-files.ts',
  'observe/kernel-log.ts',
  'observe/linux.ts',
  'observe/listening.ts',
  'observe/namespaces.ts',
  'observe/node-process.ts',
  'observe/oom-kills.ts',
  'observe/own-handler.ts',
  'observe/signs.ts',
  'observe/tcp-table.ts',
  'supervisors/cgroup.ts',
  'supervisors/child-run.ts',
  'supervisors/docker-process.ts',
  'supervisors/leftovers.ts',
  'supervisors/stop.ts',
];

t.test('what only one system has is only where it says so', async (t) => {
  const names = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => /\.c?ts$/.test(name));
  const bound = boundToPlatform(new Map(names.map((name) => [name, readFileSync(join(SRC, name), 'utf8')])));
  t.strictSame([...bound.keys()].toSorted(), BOUND);
  t.strictSame([...bound].flatMap(([file, { saysSo }]) => (saysSo ? [] : [file])), [], 'their heads name the system');
});

t.test('what counts', async (t) => {
  const of = (text: string) => boundToPlatform(new Map([['a.ts', text]])).get('a.ts');
  t.strictSame(of("readFile('/proc/self/stat');"), { saysSo: false });
  t.strictSame(of("/** Linux. */\nreadFile(`${root}/proc/${pid}/stat`);"), { saysSo: true });
  t.strictSame(of("import x from 'y';\n/** Linux. */\nreadFile('/sys/fs/cgroup');"), { saysSo: false }, 'not its head');
  t.strictSame(of("/** POSIX. */\nprocess.kill(-pid, 'SIGKILL');"), { saysSo: true });
  t.strictSame(of("process.kill(pid, 'SIGUSR1');"), { saysSo: false });
  for (const text of [
    '/** As /proc tells. */\nconst a = 1;',
    'const a = 1; // /proc/stat has it',
    "process.kill(pid, 'SIGUSR2');",
    "import { x } from './processes.js';",
  ]) t.equal(of(text), undefined, text);
});
