// Holds as many touched megabytes as argv says, and starts a child for each further number, which holds that many.
const { spawn } = require('node:child_process');
const [own, ...children] = process.argv.slice(2);
globalThis.held = Buffer.alloc(Number(own) * 2 ** 20, 1);
let ready = 0;
const say = () => ready === children.length && console.log('ready');
for (const megabytes of children) {
  const child = spawn(process.execPath, [__filename, megabytes], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', () => {
    ready += 1;
    say();
  });
}
say();
setInterval(() => {}, 1000);
