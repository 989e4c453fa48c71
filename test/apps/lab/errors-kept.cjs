// Every order fails somewhere, and each failure is kept for a report that is never sent.
const { startService } = require('./service.cjs');

const failures = [];

function recordFailure(order, attempt) {
  const error = new Error(`order ${order.id} could not be booked at attempt ${attempt}`);
  failures.push({ error, stack: error.stack, order: structuredClone(order), attempt });
}

startService((order) => {
  for (let attempt = 0; attempt < 14; attempt++) recordFailure(order, attempt);
});
