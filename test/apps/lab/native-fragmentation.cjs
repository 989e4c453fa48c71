// Blocks of many sizes, each somewhat larger than those before, of which a few small ones stay: the holes between them
// are never large enough again, and the C library cannot give them back.
const { startService } = require('./service.cjs');

const pins = [];
let size = 2000;

function importBatch() {
  const blocks = [];
  for (let i = 0; i < 60; i++) {
    blocks.push(Buffer.allocUnsafeSlow(size).fill(1));
    pins.push(Buffer.allocUnsafeSlow(64).fill(1));
    size += 7;
  }
  return blocks.length;
}

startService((order) => {
  if (order.id % 4 === 0) importBatch();
});
