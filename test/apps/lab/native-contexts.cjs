// A TLS context for every few orders, kept by a name that never comes again: OpenSSL's memory, which V8 knows nothing of.
const { createSecureContext } = require('node:tls');
const { startService } = require('./service.cjs');

const contexts = new Map();

function contextFor(order) {
  contexts.set(`shop-${order.id}`, createSecureContext({ minVersion: 'TLSv1.2' }));
}

startService(contextFor);
