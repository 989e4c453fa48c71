import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { BEARER, serverOf } from './support.js';

t.test('the page asks for nothing from elsewhere', async (t) => {
  const { server } = serverOf(t, { metricsPath: '/a"><script>alert(1)</script>' });
  const { statusCode, headers, body } = await server.inject('/');
  t.equal(statusCode, 200);
  t.equal(headers['content-type'], 'text/html; charset=utf-8');
  t.match(headers['content-security-policy'], /^default-src 'none'; script-src 'self'; style-src 'self'; /);
  t.notMatch(headers['content-security-policy'], /unsafe|https?:|\*/);
  t.notMatch(body, /<script>|style=|\son\w+=|https?:/, 'nothing inline, and no other origin');
  t.match(body, 'href="a&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;"');
  const assets = [...body.matchAll(/(?:href|src)="(assets\/[^"]+)"/g)].map(([, path]) => `/${path}`);
  t.ok(assets.includes('/assets/web/page/style.css'));
  t.equal((await server.inject('/assets/web/page/style.css')).headers['content-type'], 'text/css; charset=utf-8');
  t.equal((await server.inject('/assets/web/page/uplot.js')).headers['content-type'], 'text/javascript; charset=utf-8');
  for (const path of ['/assets/web/page/../../warden.js', '/assets/warden.js', '/assets/']) {
    t.equal((await server.inject(path)).statusCode, 404, path);
  }
});

t.test('evidence, for who has the token, and only what the incident names', async (t) => {
  const { server, warden } = serverOf(t);
  const dir = t.testdir();
  writeFileSync(join(dir, 'stack.txt'), 'at spin (app.js:1:1)\n');
  writeFileSync(join(dir, 'empty.txt'), '');
  warden.evidence.set('one/stack.txt', join(dir, 'stack.txt'));
  warden.evidence.set('one/empty.txt', join(dir, 'empty.txt'));
  warden.evidence.set('one/report.json', join(dir, 'report.json'));
  const get = (file: string, headers = BEARER as Record<string, string>) => server.inject({ url: `/api/v1/incidents/one/evidence/${file}`, headers });
  t.equal((await get('stack.txt', {})).statusCode, 401);
  const { statusCode, headers, body } = await get('stack.txt');
  t.strictSame([statusCode, body], [200, 'at spin (app.js:1:1)\n']);
  t.match(headers, { 'content-type': 'text/plain; charset=utf-8', 'content-disposition': 'attachment; filename="stack.txt"', 'cache-control': 'no-store' });
  t.equal((await get('empty.txt')).body, '');
  t.match((await get('report.json')).json(), { message: 'no report.json of incident one is kept any more: evidence.keep has let it go' });
  t.equal((await get(encodeURIComponent('../token'))).statusCode, 404);
});
