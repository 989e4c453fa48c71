/** `heapwarden init` beside a real PM2, and an app that nothing manages. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseConfig } from '../../src/config/parse.js';
import { plainNode, run, said } from '../observe/support.js';
import { needParts } from '../parts/index.js';
import { realPm2 } from '../parts/pm2.js';
import { freePort } from '../supervisors/child-support.js';
import { runPlain } from './plain-node.js';
import { CLI } from './warden-process.js';

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'hw-init-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const init = (folder: string, pm2Home: string, ...flags: string[]) =>
  runPlain([CLI, 'init', ...flags], { cwd: folder, env: { PM2_HOME: pm2Home, DOCKER_HOST: 'unix:///nonexistent/docker.sock' } });

t.test('PM2 apps and a bare process', { timeout: 170_000 }, async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const folder = folderOf(t);
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'shop api', exec_mode: 'cluster', instances: 2, max_memory_restart: '300M' });
  const port = await freePort();
  mkdirSync(join(folder, 'legacy'));
  const script = join(folder, 'legacy', 'server.mjs');
  writeFileSync(script, `import { createServer } from 'node:http'; createServer().listen(${port}, '127.0.0.1', () => console.log('up'));`);
  await said(run(t, ...plainNode(script, '--password=hush')));

  const { code, out, err } = await init(folder, pm2.home);
  t.equal(code, 0, err);
  const file = join(folder, 'heapwarden.yml');
  t.match(out, /^found {5}shop api \(pm2\)$/m);
  t.match(out, new RegExp(`^found {5}legacy.* \\(port ${port}\\): dry_run`, 'm'));
  t.match(out, /^left out {2}Docker: its socket does not answer this user$/m);
  t.match(out, `heapwarden serve --config.file=${file}`);
  const text = readFileSync(file, 'utf8');
  t.notMatch(text, 'hush', 'no arguments, which may be secrets');
  t.match(text, /PM2 runs it, 2 processes in cluster mode\.\n.*max_memory_restart/);
  const { apps } = parseConfig(text, { file });
  const shop = apps.find(({ name }) => name === 'shop api');
  t.match(shop, { supervisor: { pm2: 'shop api' }, dry_run: false, limits: { rss: { restart: Number } } });
  t.match(apps.find(({ supervisor }) => supervisor.external?.port === port), { dry_run: true, limits: { rss: { restart: Number } } });

  const checked = await runPlain([CLI, 'check', `--config.file=${file}`]);
  t.match(checked, { code: 0, out: /the config is valid: .*shop api \(pm2\)/ });

  writeFileSync(file, 'mine');
  t.match(await init(folder, pm2.home), { code: 1, out: '', err: /heapwarden\.yml is there already; write elsewhere with --config\.file, or over it with --force/ });
  t.equal(readFileSync(file, 'utf8'), 'mine');
  t.equal((await init(folder, pm2.home, '--force')).code, 0);
  t.match(readFileSync(file, 'utf8'), 'shop api');
  t.notOk(existsSync(`${file}.new`));
});

t.test('nothing answers, elsewhere, and where nothing can be written', { timeout: 170_000 }, async (t) => {
  const folder = folderOf(t);
  const { code, out } = await init(folder, folder, '--config.file=other.yml');
  t.equal(code, 0);
  t.match(out, /^left out {2}PM2: no daemon of this user's answers$/m);
  t.ok(existsSync(join(folder, 'other.yml')));
  t.match(await init(folder, folder, '--config.file=no/such/folder.yml'), { code: 1, err: /cannot write .*no\/such\/folder\.yml: ENOENT/ });
});
