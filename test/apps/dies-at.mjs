// Preloaded into the real program: it kills itself with SIGKILL at the very moment that DIE_AT names. Nothing of the
// program is replaced; what it calls of Node.js is watched, and the moments are those calls.
//   before | half | after  restart | outcome | note   a line of the journal: not written, half written, on disk (fsync)
//   before | after         stop                       the first SIGTERM that it sends
//   before | after         start                      the second process that it spawns, right where it is spawned
//   after                  known                      the same process, when the file of the children names it
import childProcess from 'node:child_process';
import { fsyncSync, promises as fs, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

const KINDS = [
  ['restart', /"type":"incident".*"action":"restart"/],
  ['outcome', /"type":"outcome"/],
  ['note', /"type":"app"/],
];
const { kill } = process;
let written = null;
let spawned = 0;

function reached(moment) {
  if (process.env.DIE_AT === moment) kill.call(process, process.pid, 'SIGKILL');
}

const file = await fs.open(fileURLToPath(import.meta.url));
const { appendFile, datasync } = Object.getPrototypeOf(file);
await file.close();
Object.assign(Object.getPrototypeOf(file), {
  async appendFile(text, ...rest) {
    written = KINDS.find(([, pattern]) => pattern.test(text))?.[0] ?? null;
    reached(`before ${written}`);
    if (process.env.DIE_AT === `half ${written}`) {
      writeSync(this.fd, String(text).slice(0, text.length / 2));
      fsyncSync(this.fd);
      reached(`half ${written}`);
    }
    return appendFile.call(this, text, ...rest);
  },
  async datasync() {
    await datasync.call(this);
    reached(`after ${written}`);
  },
});

process.kill = (pid, signal) => {
  if (signal === 'SIGTERM') reached('before stop');
  const sent = kill.call(process, pid, signal);
  if (signal === 'SIGTERM') reached('after stop');
  return sent;
};

const { spawn } = childProcess;
childProcess.spawn = (...args) => {
  spawned += 1;
  if (spawned === 2) reached('before start');
  const child = spawn(...args);
  if (spawned === 2) reached('after start');
  return child;
};

const { rename } = fs;
fs.rename = async (from, to) => {
  await rename(from, to);
  if (spawned === 2 && basename(to) === 'children.json') reached('after known');
};
syncBuiltinESMExports();
