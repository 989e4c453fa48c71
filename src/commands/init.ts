import { existsSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { homedir, hostname, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { systemClock } from '../clock.js';
import { parseConfig } from '../config/parse.js';
import { HeapwardenError, messageOf } from '../errors.js';
import { processFinder } from '../observe/finder.js';
import { isNode } from '../observe/node-process.js';
import { processSource } from '../observe/processes.js';
import { Sampler } from '../observe/sampler.js';
import { pm2Home } from '../supervisors/pm2.js';
import { Pm2Client } from '../supervisors/pm2-rpc.js';
import { dockerAt, dockerSocket, lookAround, portsOf, systemctl, type Sources } from './init-look.js';
import { configText, uniqueNames, type Found } from './init-text.js';
import { DEFAULT_CONFIG_FILE, type InitOptions } from './options.js';

/** `heapwarden init`: writes a config for what runs here. Returns the exit status; throws HeapwardenError. */
export async function init({ configFile, force }: InitOptions, print: (line: string) => void): Promise<number> {
  const file = resolve(configFile ?? DEFAULT_CONFIG_FILE);
  if (!force && existsSync(file)) throw thereAlready(file);
  const found = await lookAround(thisMachine());
  const text = configText({ ...found, hostname: hostname(), date: new Date().toISOString().slice(0, 10), totalBytes: totalmem() });
  parseConfig(text, { file }); // what is written is valid, or nothing is
  await write(file, text, force);
  for (const line of summary(found, file)) print(line);
  return 0;
}

function thisMachine(): Sources {
  const processes = processSource();
  const sampler = new Sampler(processes);
  return {
    pm2: new Pm2Client({ home: pm2Home(process.env, homedir()), clock: systemClock }),
    finder: processFinder(processes),
    systemctl,
    docker: dockerAt(dockerSocket(process.env, process.platform)),
    isNode,
    portsOf,
    measure: async (pids) => new Map([...(await sampler.sample(pids))].map(([pid, { treeRssBytes }]) => [pid, treeRssBytes])),
    ownPid: process.pid,
    platform: process.platform,
  };
}

/** Whole or not at all. */
async function write(file: string, text: string, force: boolean): Promise<void> {
  const draft = `${file}.new`;
  try {
    if (!force) return await writeFile(file, text, { flag: 'wx' });
    await writeFile(draft, text);
    await rename(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw thereAlready(file);
    await rm(draft, { force: true }).catch(() => {});
    throw new HeapwardenError('CONFIG_UNWRITABLE', `cannot write ${file}: ${messageOf(error)}`, { cause: error });
  }
}

function thereAlready(file: string): HeapwardenError {
  return new HeapwardenError('CONFIG_UNWRITABLE', `${file} is there already; write elsewhere with --config.file, or over it with --force`);
}

function summary({ apps, leftOut }: Found, file: string): string[] {
  const names = uniqueNames(apps);
  const lines = apps.map(({ by, port, comesBack }, i) => {
    const where = by === 'port' ? `port ${port}` : by;
    return `found     ${names[i]} (${where})${comesBack ? '' : ': dry_run, until the config says what starts it again'}`;
  });
  return [
    ...(lines.length === 0 ? ['found     no app'] : lines),
    ...leftOut.map((line) => `left out  ${line}`),
    `written   ${file}`,
    'next      read it, set the limits, and then:',
    `          heapwarden check --config.file=${file}`,
    `          heapwarden serve --config.file=${file}`,
  ];
}
