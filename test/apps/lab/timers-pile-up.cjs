// A timer for every order, which looks whether it has been delivered, and never ends.
const { startService } = require('./service.cjs');

function pollDelivery(order) {
  const history = [];
  for (let i = 0; i < 160; i++) history.push({ order: order.id, step: i, note: `leg ${i} of ${order.id}` });
  setInterval(() => history.push({ order: order.id, step: history.length, note: 'still waiting' }), 3_600_000);
}

startService(pollDelivery);
