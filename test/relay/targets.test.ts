import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../src/clock.js';
import { TargetList } from '../../src/relay/target-list.js';
import { byInstance, parseTargets } from '../../src/relay/targets.js';
import { tokenFileOf } from '../../src/relay/wardens.js';
import { MemoryLog } from '../act/support.js';
import { freePort } from '../parts/prometheus.js';

t.test("groups as Prometheus's file_sd has them, in JSON and YAML", async (t) => {
  const yaml = `
- targets: ['web-1:9973', 'web-2:9973']
  labels: { env: prod }
- targets: ['[::1]:9973']
  labels: { instance: here, __scheme__: https }
`;
  t.strictSame(parseTargets(yaml, 'http'), [
    { instance: 'web-1:9973', origin: 'http://web-1:9973', labels: { env: 'prod', instance: 'web-1:9973' } },
    { instance: 'web-2:9973', origin: 'http://web-2:9973', labels: { env: 'prod', instance: 'web-2:9973' } },
    { instance: 'here', origin: 'https://[::1]:9973', labels: { instance: 'here', __scheme__: 'https' } },
  ]);
  t.strictSame(parseTargets('[{"targets": ["a:1"]}]', 'https').map(({ origin }) => origin), ['https://a:1']);
  t.strictSame(parseTargets('[]', 'http'), []);
});

t.test('what is no list of targets, or a target that is more than a host and a port', async (t) => {
  const wrong: [string, RegExp][] = [
    ['', /not a list of groups/],
    ['{}', /not a list of groups/],
    ['[1]', /group 1 is not one such as/],
    ['[{"targets": "a:1"}]', /group 1 has no "targets"/],
    ['[{"targets": [1]}]', /group 1 has no "targets"/],
    ['[{"targets": [], "labels": {"a": 1}}]', /labels of group 1/],
    ...['a:1/path', 'user@a:1', 'a:1?x', 'a:1#x', 'a b:1', '', 'a:1\\x'].map((target): [string, RegExp] => [
      JSON.stringify([{ targets: [target] }]), /is not a target such as host:9973/,
    ]),
    ['[{"targets": ["a:1"], "labels": {"__scheme__": "ftp"}}]', /is not a target/],
  ];
  for (const [text, message] of wrong) t.throws(() => parseTargets(text, 'http'), { message }, text);
});

t.test('two targets of one name: the first is called', async (t) => {
  const [a, b] = [parseTargets('[{"targets": ["a:1"], "labels": {"instance": "x"}}]', 'http'), parseTargets('[{"targets": ["b:1"], "labels": {"instance": "x"}}]', 'http')];
  const { targets, clashes } = byInstance([...a, ...b, ...a]);
  t.strictSame([targets.get('x')?.origin, clashes], ['http://a:1', ['x']]);
  t.strictSame(byInstance([...a, ...a]).clashes, [], 'the same twice is no clash');
});

t.test('a label names a token file, and never a path', async (t) => {
  t.equal(tokenFileOf('/tokens/{instance}', { instance: 'web-1:9973' }), '/tokens/web-1:9973');
  t.equal(tokenFileOf('/tokens/{env}-{host}.token', { env: 'prod', host: 'a' }), '/tokens/prod-a.token');
  t.equal(tokenFileOf('/token', {}), '/token');
  for (const host of ['', '..', '.', '../x', 'a/b', 'a\\b', 'a\u0000', 'a b']) t.throws(() => tokenFileOf('/tokens/{host}', { host }), /cannot name a token file/);
  t.throws(() => tokenFileOf('/tokens/{host}', {}), /its label host=""/);
});

t.test('files by a pattern, read again and again; a bad list leaves the one before', async (t) => {
  const dir = t.testdir({ lists: { 'a.json': '[{"targets": ["a:1"]}]', 'b.json': '[{"targets": ["b:1"]}]', 'c.yml': 'no' } });
  const log = new MemoryLog();
  const file_sd = { files: [join(dir, 'lists/*.json')], refresh_interval: 100 };
  const list = new TargetList({ config: { file_sd }, scheme: 'http', clock: systemClock, log });
  t.equal(list.isKnown, false);
  await list.start();
  t.teardown(() => list.close());
  t.strictSame([...list.all.keys()], ['a:1', 'b:1']);
  writeFileSync(join(dir, 'lists/b.json'), '[{"targets": ["b:2"]}]');
  while (!list.all.has('b:2')) await systemClock.sleep(20);
  t.equal(list.problem, null);
  writeFileSync(join(dir, 'lists/b.json'), '[{"targets": ');
  while (list.problem === null) await systemClock.sleep(20);
  t.strictSame([...list.all.keys()], ['a:1', 'b:2']);
  t.match(list.problem, /b\.json: .*the list from before stays/s);

  mkdirSync(join(dir, 'none'));
  const empty = new TargetList({ config: { file_sd: { ...file_sd, files: [join(dir, 'none/*.yml')] } }, scheme: 'http', clock: systemClock, log });
  await empty.refresh();
  t.match([empty.isKnown, empty.problem], [false, /fits no file/]);
});

t.test('http_sd: a list of its own, and no other place is asked', async (t) => {
  const port = await freePort();
  let answer: { status: number; body: string; location?: string } = { status: 200, body: '[{"targets": ["a:1"]}]' };
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location }).end(answer.body);
  }).listen(port, '127.0.0.1');
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${port}/targets`;
  const list = new TargetList({ config: { http_sd: { url, refresh_interval: 60_000 } }, scheme: 'http', clock: systemClock, log: new MemoryLog() });
  await list.refresh();
  t.strictSame([...list.all.keys()], ['a:1']);
  answer = { status: 302, body: '', location: `${url}/elsewhere` };
  await list.refresh();
  t.match(list.problem, /HTTP 302; the list from before stays/);
  t.equal(asked, 2);
  t.strictSame([...list.all.keys()], ['a:1']);
});
