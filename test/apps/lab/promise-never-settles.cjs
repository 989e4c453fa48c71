// Every order waits for a stock notice that never comes, with all that it holds.
const { startService } = require('./service.cjs');

const waiting = [];
const stockNotice = () => new Promise((resolve) => waiting.push(resolve));

async function awaitStock(order) {
  const reserved = [];
  for (let i = 0; i < 140; i++) reserved.push({ order: order.id, shelf: i, label: `shelf ${i} of ${order.user}` });
  await stockNotice();
  return reserved.length;
}

startService((order) => void awaitStock(order));
