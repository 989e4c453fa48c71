// TLS contexts for every order, kept by names that never come again: OpenSSL's memory, which V8 knows nothing of.
const { createSecureContext } = require('node:tls');
const { startService } = require('./service.cjs');

const contexts = new Map();

function contextFor(order) {
  contexts.set(`shop-${order.id}`, createSecureContext({ minVersion: 'TLSv1.2' }));
  contexts.set(`api-${order.id}`, createSecureContext({ minVersion: 'TLSv1.3' }));
}

startService(contextFor);
