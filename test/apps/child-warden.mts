// A warden with nothing but a child supervisor, to be killed: argv is a JSON object of folder, command, env, instances,
// and of listen and agent for a shared port. Prints its slots once they run; a line to its stdin begins a graceful
// restart that never ends. Uses no more of heapwarden than the supervisor itself does.
import { join } from 'node:path';
import { systemClock } from '../../src/clock.js';
import { LinuxProcesses } from '../../src/observe/linux.js';
import { ChildSupervisor } from '../../src/supervisors/child.js';
import { Leftovers } from '../../src/supervisors/leftovers.js';

const { folder, command, env, instances, listen, agent = null } = JSON.parse(process.argv[2]!);
const say = (message: string) => console.error(message);
const log = { debug: say, info: say, warn: say, error: say };
const processes = new LinuxProcesses();
const supervisor = new ChildSupervisor({
  app: 'shop',
  config: { command, env, instances, ...(listen === undefined ? {} : { listen }) },
  agentEntry: agent,
  agentSocket: agent === null ? '/nowhere.sock' : join(folder, 'agent.sock'),
  stopTimeoutMs: () => 1000,
  processes,
  leftovers: await Leftovers.open(join(folder, 'children.json'), { processes, clock: systemClock, log }),
  drain: async () => false,
  clock: systemClock,
  log,
  onOutput: () => {},
});
await supervisor.start();
console.log(JSON.stringify(await supervisor.slots()));
process.stdin.once('data', () => {
  const isReady = () => new Promise<boolean>(() => {});
  void supervisor.restart('0', { mode: 'graceful', stopTimeoutMs: 1000, isReady, signal: new AbortController().signal });
});
