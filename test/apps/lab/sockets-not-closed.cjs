// A connection to the price feed for every eighth order, and none is ever closed.
const { connect, createServer } = require('node:net');
const { startService } = require('./service.cjs');

const feed = createServer((socket) => socket.on('error', () => {}).resume());
feed.listen(0, '127.0.0.1');

function openFeed(order) {
  const pending = new Map();
  for (let i = 0; i < 1050; i++) pending.set(i, { order: order.id, symbol: `S${i}`, bid: i / 3 });
  const socket = connect(feed.address().port, '127.0.0.1');
  socket.on('data', (chunk) => pending.delete(chunk[0]));
  socket.on('error', () => pending.clear());
}

startService((order) => {
  if (order.id % 8 === 0) openFeed(order);
});
