import { readFileSync } from 'node:fs';
import { HeapwardenError } from '../errors.js';
import { advise } from './advise.js';
import { apps } from './apps.js';
import { attach } from './attach.js';
import { check } from './check.js';
import { doctor } from './doctor.js';
import { init } from './init.js';
import { USAGE, parseCommand } from './options.js';
import { incidents } from './incidents.js';
import { monitor } from './monitor.js';
import { pause, resume } from './pause.js';
import { relay } from './relay.js';
import { restart } from './restart.js';
import { serve } from './serve.js';
import { status } from './status.js';

/** Does what the arguments ask for. Resolves to the exit status: 0 done, 1 failed or refused, 2 wrong usage; status has more. */
export async function run(argv: readonly string[]): Promise<number> {
  const print = (line: string): void => console.log(line);
  const version = versionOf(new URL('../../package.json', import.meta.url));
  try {
    const command = parseCommand(argv);
    switch (command.name) {
      case 'help':
        process.stdout.write(USAGE);
        return 0;
      case 'version':
        print(`heapwarden ${version}`);
        return 0;
      case 'serve':
        return await serve(command.options, version);
      case 'init':
        return await init(command.options, print);
      case 'relay':
        return await relay(command.options, version);
      case 'check':
        return await check(command.configFile, print, command.webConfigFile);
      case 'restart':
        return await restart(command.options, print);
      case 'pause':
        return await pause(command.options, print);
      case 'resume':
        return await resume(command.options, print);
      case 'monitor':
        return await monitor(command.options, print);
      case 'status':
        return await status(command.options, { print, printError: (line) => console.error(line) });
      case 'apps':
        return await apps(command.options, print);
      case 'incidents':
        return await incidents(command.options, print);
      case 'doctor':
        return await doctor(command.options, version, print);
      case 'advise':
        return await advise(command.options, print);
      case 'attach':
        return await attach(command.options, print);
    }
  } catch (error) {
    if (!(error instanceof HeapwardenError)) throw error;
    console.error(`heapwarden: ${error.message}`);
    return error.code === 'USAGE' ? 2 : 1;
  }
}

function versionOf(packageJson: URL): string {
  return (JSON.parse(readFileSync(packageJson, 'utf8')) as { version: string }).version;
}
