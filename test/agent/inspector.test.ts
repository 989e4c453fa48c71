/** What the agent tells of its process's inspector, in every Node it runs in. */
import { join } from 'node:path';
import t from 'tap';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import { builtAgent, openHub, runApp, shortFolder, until, untilStats, writeApp } from './support.js';

const NODES = NODE_MAJORS.map((major) => `node-${major}` as const);

const APP = `
const inspector = require('node:inspector');
const tell = () => console.log(inspector.url() ?? 'closed');
process.stdin.on('data', (chunk) => {
  const open = String(chunk).trim() === 'open';
  if (open) inspector.open(0, '127.0.0.1');
  else inspector.close();
  tell();
});`;

t.test('the port is told while it is open, and nothing is opened for it', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const socket = join(folder, 'agent.sock');
  const { hub } = await openHub(t, socket);
  const script = writeApp(folder, 'app.cjs', APP);
  await Promise.all(NODES.map(async (node) => {
    const app = runApp(t, parts[node], ['--require', agent, script], { HEAPWARDEN_SOCKET: socket });
    await untilStats(hub, app.pid);
    const port = () => hub.report(app.pid)!.inspectorPort;
    t.equal(port(), null, `${node}: closed at first`);
    const { heartbeatAt } = hub.report(app.pid)!;
    await until('a beat', () => hub.report(app.pid)!.heartbeatAt >= heartbeatAt + 1500);
    t.equal(port(), null, `${node}: and it stays closed`);
    const url = new URL(await app.ask('open'));
    await until(`${node}: the port`, () => port() === Number(url.port));
    t.equal(await app.ask('close'), 'closed');
    await until(`${node}: its end`, () => port() === null);
    app.child.stdin!.end();
    t.equal(await app.exited, 0, `${node}: it ends by itself`);
  }));
});
