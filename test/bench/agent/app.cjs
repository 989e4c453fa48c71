// A Fastify hello, alone or with what SIDE names. Tells its port on fd 3. At SIGUSR2 it
// collects its garbage.
const { writeSync } = require('node:fs');
const fastify = require('fastify');

async function main() {
  const app = fastify();
  app.get('/', async () => ({ hello: 'world' }));
  if (process.env.SIDE === 'prom-client') {
    // As its README has it: https://github.com/siimon/prom-client#default-metrics
    const { collectDefaultMetrics, register } = require('prom-client');
    collectDefaultMetrics();
    app.get('/metrics', async (_, reply) => reply.type(register.contentType).send(await register.metrics()));
  }
  await app.listen({ host: '127.0.0.1', port: 0 });
  writeSync(3, `${app.server.address().port}\n`);
}

process.on('SIGUSR2', () => {
  for (let i = 0; i < 2; i++) globalThis.gc();
});
main();
