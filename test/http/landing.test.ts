import Fastify from 'fastify';
import t from 'tap';
import { landingRoute } from '../../src/web/landing.js';
import { serverOf } from './support.js';

t.test('links to all that can be looked at', async (t) => {
  const { server } = serverOf(t);
  const { statusCode, headers, body } = await server.inject('/');
  t.equal(statusCode, 200);
  t.equal(headers['content-type'], 'text/html; charset=utf-8');
  t.equal(headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'");
  t.match(body, 'Version 1.2.3.');
  const links = [...body.matchAll(/href="([^"]+)"/g)].map(([, path]) => path!);
  t.strictSame(links, ['/metrics', '/api/v1/apps', '/api/v1/incidents', '/api/v1/advice', '/-/healthy', '/-/ready']);
  for (const path of links) t.equal((await server.inject(path)).statusCode, 200, path);
});

t.test('what it is given it shows as text', async (t) => {
  const server = Fastify();
  t.teardown(() => server.close());
  await server.register(landingRoute({ version: '<b>&"1\'</b>', metricsPath: '/a"><script>alert(1)</script>' }));
  const { body } = await server.inject('/');
  t.notMatch(body, /<script>|<b>/);
  t.match(body, 'href="/a&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;"');
  t.match(body, 'Version &#60;b&#62;&#38;&#34;1&#39;&#60;/b&#62;.');
});
