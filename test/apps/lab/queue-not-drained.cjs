// Jobs come faster than they are worked off.
const { startService } = require('./service.cjs');

const queue = [];

function enqueueMails(order) {
  for (let i = 0; i < 50; i++) {
    queue.push({ to: `${order.user}@example.com`, subject: `Your order ${order.id}`, body: `line ${i}: `.padEnd(120, `${order.id} `) });
  }
}

setInterval(() => queue.splice(0, 5), 100);
startService(enqueueMails);
