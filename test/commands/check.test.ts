import { join } from 'node:path';
import t, { type Test } from 'tap';
import { check } from '../../src/commands/check.js';

async function checked(t: Test, text: string): Promise<{ file: string; status: number; lines: string[] }> {
  const file = join(t.testdir({ 'heapwarden.yml': text }), 'heapwarden.yml');
  const lines: string[] = [];
  return { file, status: await check(file, (line) => lines.push(line)), lines };
}

t.test('a good config', async (t) => {
  const { status, lines } = await checked(t, `
apps:
  - { name: shop, supervisor: { pm2: shop } }
  - { name: api, supervisor: { child: { command: [node, api.js] } } }
`);
  t.strictSame({ status, lines }, { status: 0, lines: ['the config is valid: shop (pm2), api (child)'] });
});

t.test('one without apps', async (t) => {
  const { status, lines } = await checked(t, 'trigger: both\n');
  t.strictSame({ status, lines }, { status: 0, lines: ['the config is valid; it names no app'] });
});

t.test('one with settings that do nothing', async (t) => {
  const snapshot = 'apps: [{ name: shop, supervisor: { pm2: shop }, runtime: none, evidence: { snapshot: true } }]';
  const { status, lines } = await checked(t, snapshot);
  t.equal(status, 0);
  t.match(lines, [/^app "shop": evidence\.snapshot has no effect with runtime: none/, 'the config is valid: shop (pm2)']);
});

t.test('one that this version cannot serve', async (t) => {
  const { status, lines } = await checked(t, 'apps: [{ name: shop, supervisor: { docker: shop }, restart: { ready: { pm2: true } } }]');
  t.equal(status, 1);
  t.match(lines, [/^app "shop": restart\.ready\.pm2 is for apps under PM2/]);
  t.equal(lines.length, 1, 'nothing says that it is valid');
});

t.test('a bad one: all that is wrong, at its place', async (t) => {
  const { file, status, lines } = await checked(t, `triger: both
apps:
  - { name: shop, supervisor: { pm2: shop }, limits: { rss: { restart: lots } } }
`);
  t.equal(status, 1);
  t.match(lines.join('\n'), `${file}:1:1`);
  t.match(lines.join('\n'), `${file}:3:`);
});

t.test('one that is not there', async (t) => {
  const dir = t.testdir({});
  const lines: string[] = [];
  t.equal(await check(join(dir, 'none.yml'), (line) => lines.push(line)), 1);
  t.strictSame(lines, [
    `there is no config file at ${join(dir, 'none.yml')}; write one there, or name yours with --config.file`,
  ]);
});

t.test('and none in the folder, where none is named: there was nothing to check', async (t) => {
  const before = process.cwd();
  process.chdir(t.testdir({}));
  t.teardown(() => process.chdir(before));
  const lines: string[] = [];
  t.equal(await check(null, (line) => lines.push(line)), 1);
  t.match(lines, [/^there is no config file at .*heapwarden\.yml/]);
});
