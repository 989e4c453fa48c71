// An app for PM2's tests. Reports itself in $REPORT_DIR/<pid>.json; HOW says how it behaves.
const { spawn } = require('node:child_process');
const { existsSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const how = (process.env.HOW || '').split(' ');
const dir = process.env.REPORT_DIR;
const ignore = () => {};

// Only the first process of an app is stubborn, so that PM2 can end the later ones in time.
const mark = join(dir, `stubborn ${process.env.name}`);
if (how.includes('stubborn') && !existsSync(mark)) {
  writeFileSync(mark, '');
  process.on('SIGINT', ignore);
  process.on('SIGTERM', ignore);
}
let child = null;
if (how.includes('orphan')) {
  const deaf = "process.on('SIGINT',()=>{});process.on('SIGTERM',()=>{});setInterval(()=>{},1e6);console.log('up')";
  const env = { PM2_HOME: process.env.PM2_HOME };
  child = spawn(process.execPath, ['-e', deaf], { stdio: ['ignore', 'pipe', 'ignore'], env });
}

function report() {
  const path = join(dir, `${process.pid}.json`);
  writeFileSync(`${path}.part`, JSON.stringify({ foo: process.env.FOO ?? null, child: child && child.pid }));
  renameSync(`${path}.part`, path);
}
if (child) child.stdout.once('data', report);
else report();

if (how.includes('exits')) setTimeout(() => process.exit(3), 50);
else setInterval(ignore, 1e6);
