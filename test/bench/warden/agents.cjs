// Simulated agents, all in this one process: told { socket, pids } by IPC, it speaks the agent's protocol for each pid
// as src/agent/connection.cts does: a hello, a beat a second, figures as often as the warden asks. Answers { welcomed }
// when all have been welcomed, or { error }. The figures are this process's own, as of its start.
const { readFileSync, readlinkSync } = require('node:fs');
const { connect } = require('node:net');
const { createMeter } = require('../../../dist/agent/meter.cjs');
const { AGENT_VERSION, PROTOCOL_VERSION } = require('../../../dist/agent/protocol.cjs');

const BEAT_MS = 1000;

function helloOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return {
    type: 'hello',
    protocol: PROTOCOL_VERSION,
    pid,
    node: process.version.slice(1),
    app: 'many',
    agent: AGENT_VERSION,
    pid_namespace: Number(/\d+/.exec(readlinkSync(`/proc/${pid}/ns/pid`))[0]),
    start: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3]),
  };
}

function agent(socketPath, pid, figures) {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath });
    const send = (frame) => socket.write(`${JSON.stringify(frame)}\n`);
    let n = 0;
    let timer;
    const stats = (asked = {}) => send({ type: 'stats', n: (n += 1), ...asked, stats: figures });
    const hear = (frame) => {
      if (frame.type === 'sample') stats({ request: frame.request });
      else if (frame.type === 'welcome') {
        clearInterval(timer);
        timer = setInterval(stats, frame.stats_interval_ms);
        stats();
        resolve();
      } else if (frame.type !== 'ack') send({ type: 'heard', request: frame.request });
    };
    let rest = '';
    socket.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) hear(JSON.parse(line));
    });
    socket.on('connect', () => send(helloOf(pid)));
    socket.on('error', reject);
    socket.on('close', () => {
      const error = new Error(`the warden has closed the connection of process ${pid}`);
      if (process.connected) process.send({ error: error.message });
      reject(error);
    });
    // Each in its own phase, as real ones are.
    setTimeout(() => setInterval(() => send({ type: 'beat', n: (n += 1) }), BEAT_MS), Math.random() * BEAT_MS);
  });
}

process.on('message', async ({ socket, pids }) => {
  try {
    const meter = createMeter({ windowMs: 100 });
    await new Promise((resolve) => setTimeout(resolve, 300)); // a window has ended
    const figures = meter.read();
    meter.close();
    for (const pid of pids) await agent(socket, pid, figures);
    process.send({ welcomed: pids.length });
  } catch (error) {
    process.send({ error: String(error) });
  }
});
process.on('disconnect', () => process.exit());
