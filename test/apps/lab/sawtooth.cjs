// Gathers events, and sends them off every twenty minutes.
const { startService, HOUR_MS } = require('./service.cjs');

let events = [];

function gatherEvents(order) {
  for (let i = 0; i < 350; i++) events.push({ order: order.id, i, name: `event ${i} of ${order.id}` });
}

setInterval(() => (events = []), HOUR_MS / 3);
startService(gatherEvents);
