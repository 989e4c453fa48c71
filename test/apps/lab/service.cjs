/**
 * What every program of the lab has around its disease: an HTTP service with a catalogue in memory, which answers a
 * steady stream of its own orders and makes mixed garbage at it. The load is the same in each run: order n is always
 * the same.
 */
const { Agent, createServer, request } = require('node:http');

/** Milliseconds of an hour of the lab's clock. */
const HOUR_MS = Number(process.env.LAB_HOUR_MS ?? 60_000);
const ORDERS_PER_SECOND = Number(process.env.LAB_ORDERS_PER_SECOND ?? 40);
const PRODUCTS = 40_000;
const MOST_UNDER_WAY = 8;

const catalogue = Array.from({ length: PRODUCTS }, (_, sku) => ({
  sku,
  title: `product number ${sku}`,
  price: (sku * 37) % 1000,
  tags: [`tag${sku % 17}`, `tag${sku % 23}`],
  stock: { here: sku % 50, away: sku % 9 },
}));

function readBody(incoming) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    incoming.on('data', (chunk) => chunks.push(chunk));
    incoming.on('end', () => resolve(Buffer.concat(chunks).toString()));
    incoming.on('error', reject);
  });
}

/** Some 100 kB of garbage. */
function renderAnswer(order) {
  const from = (order.id * 97) % (PRODUCTS - 200);
  const found = catalogue.slice(from, from + 200).map((product) => ({ ...product, label: `${product.title} at ${product.price}` }));
  found.sort((a, b) => a.price - b.price || a.sku - b.sku);
  const html = found.map(({ label, tags }) => `<li>${label.toUpperCase()} <b>${tags.join(', ')}</b></li>`).join('\n');
  return JSON.stringify({ order: order.id, length: html.length, found: found.slice(0, 20) });
}

function placeOrder(port, agent, id) {
  const order = { id, user: `user-${id % 5000}`, lines: Array.from({ length: 12 }, (_, i) => ({ sku: (id * 13 + i) % PRODUCTS, count: 1 + (i % 3) })) };
  return new Promise((resolve) => {
    const post = request({ host: '127.0.0.1', port, agent, method: 'POST' }, (response) => {
      response.on('end', resolve);
      response.resume();
    });
    post.on('error', resolve);
    post.end(JSON.stringify(order));
  });
}

/** `onOrder` is the app's own: it gets each order. Its promise, if any, is not waited for. */
function startService(onOrder = () => {}) {
  const server = createServer(async (incoming, response) => {
    const order = JSON.parse(await readBody(incoming));
    const answer = renderAnswer(order);
    onOrder(order);
    response.end(answer);
  });
  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
    const agent = new Agent({ keepAlive: true, maxSockets: MOST_UNDER_WAY });
    const startedAt = performance.now();
    let sent = 0;
    let underWay = 0;
    setInterval(() => {
      const due = ((performance.now() - startedAt) * ORDERS_PER_SECOND) / 1000;
      // What a busy machine has held up is caught up with, so that all have done as much after the same time.
      for (; sent < due && underWay < MOST_UNDER_WAY; sent++, underWay++) {
        void placeOrder(server.address().port, agent, sent).then(() => (underWay -= 1));
      }
    }, 1000 / ORDERS_PER_SECOND);
  });
}

module.exports = { startService, renderAnswer, catalogue, HOUR_MS, ORDERS_PER_SECOND };
