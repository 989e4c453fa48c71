// Preloaded into a warden (node --require): on SIGUSR2 the clock is set to be ahead of the real one by what
// the file CLOCK_FILE says in milliseconds. As when the kernel's is set, the machine's start (btime) moves with it.
const { existsSync, readFileSync } = require('node:fs');
const promises = require('node:fs/promises');
const { syncBuiltinESMExports } = require('node:module');

const read = () => Number(readFileSync(process.env.CLOCK_FILE, 'utf8'));
// Who is started again starts with the clock as it is.
let aheadMs = existsSync(process.env.CLOCK_FILE) ? read() : 0;
process.on('SIGUSR2', () => (aheadMs = read()));

const { now } = Date;
Date.now = () => now() + aheadMs;

const { readFile } = promises;
promises.readFile = async (path, ...options) => {
  const content = await readFile(path, ...options);
  if (path !== '/proc/stat') return content;
  return content.replace(/^btime (\d+)$/m, (_line, btime) => `btime ${Number(btime) + Math.round(aheadMs / 1000)}`);
};
syncBuiltinESMExports();
