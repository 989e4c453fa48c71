// A session for every order, in a Map that nothing is ever deleted from.
const { startService } = require('./service.cjs');

const sessions = new Map();

function rememberSession(order) {
  const session = { user: order.user, openedAt: Date.now(), views: [] };
  for (let i = 0; i < 180; i++) {
    session.views.push({ sku: (order.id + i) % 40_000, at: session.openedAt + i, referrer: `/list/${order.id}/${i}` });
  }
  sessions.set(order.id, session);
}

startService(rememberSession);
