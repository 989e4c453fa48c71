// An undo history: a deep copy of the state for every order, for ever.
const { startService } = require('./service.cjs');

const state = { orders: {}, totals: Array.from({ length: 300 }, (_, sku) => ({ sku, sold: 0, revenue: 0.5 })) };
const history = [];

function saveState(order) {
  state.orders = { [order.id]: order };
  state.totals[order.id % 300].sold += 1;
  history.push(JSON.parse(JSON.stringify(state)));
}

startService(saveState);
