// The load, in a process of its own: told { port, forMs } by IPC, it keeps CONNECTIONS busy with one request each under
// way for so long, and answers { requests, ms } or { error }. Bytes are counted, not parsed: what it costs is the app's
// to lose. All answers have the length of the first, as those of a hello have.
const { connect } = require('node:net');

const CONNECTIONS = 16;
const REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');

function answerLength(chunk) {
  const text = chunk.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text);
  if (!text.startsWith('HTTP/1.1 200 ') || end === -1 || !length) throw new Error(`not an answer: ${text.slice(0, 200)}`);
  return end + 4 + Number(length[1]);
}

/** Answers received on one connection until `isOver`. */
function client(port, isOver) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let answers = 0;
    let length = 0;
    let missing = 0;
    socket.on('connect', () => socket.write(REQUEST));
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      try {
        if (length === 0) missing = length = answerLength(chunk);
        missing -= chunk.length;
        if (missing > 0) return;
        if (missing < 0) throw new Error('more than one answer');
        answers += 1;
        missing = length;
        if (!isOver()) return void socket.write(REQUEST);
        socket.destroy();
        resolve(answers);
      } catch (error) {
        socket.destroy();
        reject(error);
      }
    });
    socket.on('end', () => reject(new Error('the app closed a connection')));
  });
}

process.on('message', async ({ port, forMs }) => {
  try {
    const startedAt = performance.now();
    const isOver = () => performance.now() - startedAt >= forMs;
    const answers = await Promise.all(Array.from({ length: CONNECTIONS }, () => client(port, isOver)));
    process.send({ requests: answers.reduce((sum, each) => sum + each, 0), ms: performance.now() - startedAt });
  } catch (error) {
    process.send({ error: String(error) });
  }
});
process.on('disconnect', () => process.exit());
