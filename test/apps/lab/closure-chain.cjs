// Each order wraps the handler of the one before it, which so is never let go: a chain of closures.
const { startService } = require('./service.cjs');

let handler = () => 0;

function wrapHandler(order) {
  const next = handler;
  const seen = order.lines.concat(Array.from({ length: 270 }, (_, i) => ({ sku: i, order: order.id, weight: i / 7 })));
  handler = (sku) => (seen.some((line) => line.sku === sku) ? seen.length : next(sku));
}

startService((order) => {
  wrapHandler(order);
  handler(order.lines[0].sku);
});
