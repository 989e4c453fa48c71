// A cache with a bound: it fills for an hour and a half, and then keeps its size.
const { startService, HOUR_MS, ORDERS_PER_SECOND } = require('./service.cjs');

const MOST = Math.round((1.5 * HOUR_MS * ORDERS_PER_SECOND) / 1000);
const cache = new Map();

function cacheQuote(order) {
  const lines = [];
  for (let i = 0; i < 65; i++) lines.push({ order: order.id, sku: i, price: i * 1.5 });
  cache.set(order.id, lines);
  if (cache.size > MOST) cache.delete(cache.keys().next().value);
}

startService(cacheQuote);
