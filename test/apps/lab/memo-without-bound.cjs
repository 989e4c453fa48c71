// Quotes are computed once for each order and kept by a key that never comes again.
const { startService, catalogue } = require('./service.cjs');

const quotes = {};

function memoizedQuote(order) {
  const key = JSON.stringify(order);
  quotes[key] ??= order.lines.flatMap(({ sku, count }) =>
    Array.from({ length: 20 }, (_, day) => ({ sku, day, total: catalogue[sku].price * count * (1 + day / 100) })));
  return quotes[key];
}

startService((order) => memoizedQuote(order).length);
