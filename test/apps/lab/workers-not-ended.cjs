// A worker thread for a report now and then, which waits for the next one and is never ended: a V8 of its own each.
const { Worker } = require('node:worker_threads');
const { startService } = require('./service.cjs');

function startReport(order) {
  const worker = new Worker(`require('node:worker_threads').parentPort.on('message', () => {})`, { eval: true });
  worker.postMessage(order);
}

startService((order) => {
  if (order.id % 240 === 0) startReport(order);
});
