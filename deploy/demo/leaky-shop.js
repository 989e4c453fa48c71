// A shop that never forgets an order: the leak of the demo, about 5 MB a second.
const orders = [];

function placeOrder() {
  orders.push({ id: orders.length, items: Array.from({ length: 20 }, (_, n) => itemName(n)) });
}

function itemName(n) {
  return `item ${n} of ${Math.random()}`;
}

setInterval(() => {
  for (let i = 0; i < 1_000; i++) placeOrder();
}, 500);

setInterval(() => console.log(`${orders.length} orders kept, ${Math.round(process.memoryUsage.rss() / 1e6)} MB`), 5_000);

console.log('open for business');
