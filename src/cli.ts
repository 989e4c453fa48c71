#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { check } from './commands/check.js';
import { USAGE, parseCommand, type Command } from './commands/options.js';
import { restart } from './commands/restart.js';
import { serve } from './commands/serve.js';
import { HeapwardenError } from './errors.js';

const print = (line: string): void => console.log(line);

function run(command: Command, version: string): Promise<number> | number {
  switch (command.name) {
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    case 'version':
      print(`heapwarden ${version}`);
      return 0;
    case 'serve':
      return serve(command.options, version);
    case 'check':
      return check(command.configFile, print);
    case 'restart':
      return restart(command.options, print);
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  try {
    return await run(parseCommand(argv), version);
  } catch (error) {
    if (!(error instanceof HeapwardenError)) throw error;
    console.error(`heapwarden: ${error.message}`);
    return error.code === 'USAGE' ? 2 : 1;
  }
}

process.exit(await main(process.argv.slice(2)));
