import { spawn } from 'node:child_process';
import { openInspector, OpenInspector } from './src/observe/inspector-open.ts';
import { processSource } from './src/observe/processes.ts';
const sleep = (ms: number) => new Promise(r => setTimeout(r, ms));
for (const disable of [false, true]) for (const v of [22,20]) for (let i=0;i<14;i++) {
  const node = `test/parts/node_modules/node-${v}/bin/node`;
  const c = spawn(node, ['--inspect-port=0','-e', 'function guilty() { while (true); } console.log("up"); setTimeout(guilty)'], { env: { PATH: process.env['PATH'] }, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = ''; c.stderr.on('data', d => out += d); let ex=''; c.on('exit', (a, b) => ex=`${a} ${b}`);
  await sleep(1050);
  const o = await openInspector(c.pid!, { processes: processSource(), timeoutMs: 5000 });
  if (!(o instanceof OpenInspector)) { console.log(v, o); c.kill('SIGKILL'); continue; }
  const paused = new Promise(r => o.client.on('Debugger.paused', r));
  await o.client.call('Debugger.enable', {}, 5000); await o.client.call('Debugger.pause', {}, 5000); await paused;
  if (disable) void o.client.call('Debugger.disable', {}, 5000).catch(()=>{});
  const ok = await o.close(); await sleep(200);
  console.log(v, disable, ok, 'exit:', ex || 'alive', ex ? out.slice(0, 1500) : '');
  c.kill('SIGKILL');
}
process.exit();
