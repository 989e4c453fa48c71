// No disease: it answers on PORT, at some 100 kB of garbage and 3 kB that a cache keeps for a while an answer. For the
// cost of the profiler.
const { createServer } = require('node:http');
const { catalogue, renderAnswer } = require('./service.cjs');

const recent = new Map();
let id = 0;

function remember(answer) {
  recent.set(id, { answer, words: answer.slice(0, 2000).split(',') });
  recent.delete(id - 5000);
}

createServer((incoming, response) => {
  const answer = renderAnswer({ id: (id += 1) % catalogue.length });
  remember(answer);
  response.end(answer);
}).listen(Number(process.env.PORT), '127.0.0.1');
