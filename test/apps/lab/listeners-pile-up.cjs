// Every order listens to price changes, and nobody ever takes a listener off.
const { EventEmitter } = require('node:events');
const { startService } = require('./service.cjs');

const prices = new EventEmitter();
prices.setMaxListeners(0); // as many do when Node warns

function followPrices(order) {
  const quotes = new Map();
  for (let i = 0; i < 160; i++) quotes.set(`${order.id}-${i}`, { sku: i, price: i * 1.19 });
  prices.on('change', (sku, price) => quotes.set(sku, { sku, price }));
}

startService(followPrices);
