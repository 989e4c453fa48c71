/** What is published: the tarball by itself, its types, and what a newcomer has of it in an empty project. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import t from 'tap';
import { runPlain, spawnPlain } from '../integration/plain-node.js';
import { waitFor } from '../integration/wait.js';
import { freePort } from '../parts/prometheus.js';

t.setTimeout(300_000);

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, never>;
const run = promisify(execFile);

/** tap's own NODE_OPTIONS are not for the programs of another project. */
const env = { ...process.env, NODE_OPTIONS: '', npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false' };
const npm = (cwd: string, ...args: string[]) => run('npm', args, { cwd, env, maxBuffer: 2 ** 26 });

const folder = mkdtempSync(join(tmpdir(), 'hw-package-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

// Not the scripts: a build would take dist/ away from the tests that run beside this one.
const { stdout } = await npm(root, 'pack', '--ignore-scripts', '--json', `--pack-destination=${folder}`);
const packed = JSON.parse(stdout) as unknown;
// npm 12 names the packages, earlier ones list them.
const [{ filename, files }] = Object.values(packed as object) as [{ filename: string; files: { path: string; mode: number }[] }];
const tarball = join(folder, filename);

t.test('what is in it', async (t) => {
  const paths = files.map(({ path }) => path);
  for (const path of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist/cli.js', 'dist/index.js', 'dist/index.d.ts', 'dist/agent/index.cjs', 'dist/agent/index.d.cts', 'dist/web/page/index.html', 'dist/web/page/main.js', 'rules/heapwarden.rules.yml']) {
    t.ok(paths.includes(path), path);
  }
  const strangers = paths.filter((path) => /(?:^|\/)(?:test|src|node_modules|\.ci)\/|\.tsx?$/.test(path) && !/\.d\.c?ts$/.test(path));
  t.strictSame(strangers, [], 'neither tests nor sources');
  t.strictSame(paths.filter((path) => /token|\.env|\.pem$|\.key$/.test(path) && !path.startsWith('dist/')), [], 'no secrets');
});

t.test('publint', async (t) => {
  const data = readFileSync(tarball);
  const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer;
  const { messages } = await publint({ pack: { tarball: bytes }, strict: true });
  t.strictSame(messages.map((message) => formatMessage(message, manifest, { color: false })), []);
});

t.test('types, as each kind of project resolves them', async (t) => {
  const { types, ...analysis } = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))));
  t.ok(types);
  const problems = 'problems' in analysis ? analysis.problems : [];
  const told = problems.map((problem) => ({
    kind: problem.kind,
    entry: 'entrypoint' in problem ? problem.entrypoint : null,
    resolution: 'resolutionKind' in problem ? problem.resolutionKind : null,
  }));
  // node10 does not know `exports`, and no Node.js that heapwarden runs on resolves so; the main entry is an ES module.
  const isMeant = ({ kind, entry, resolution }: (typeof told)[number]) => resolution === 'node10' || (kind === 'CJSResolvesToESM' && entry === '.');
  t.strictSame(told.filter((problem) => !isMeant(problem)), []);
});

t.test('the SBOM names what is installed, and nothing else', async (t) => {
  const { stdout } = await npm(root, 'run', '--silent', 'sbom');
  const { bomFormat, components } = JSON.parse(stdout) as { bomFormat: string; components: { name: string; version: string }[] };
  t.equal(bomFormat, 'CycloneDX');
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, { version: string; dev?: boolean; optional?: boolean }> };
  const locked = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev);
  const named = locked.map(([path, { version }]) => `${path.split('node_modules/').at(-1)}@${version}`);
  t.strictSame([...new Set(components.map(({ name, version }) => `${name}@${version}`))].toSorted(), [...new Set(named)].toSorted());
});

t.test('in an empty project', async (t) => {
  const project = join(folder, 'empty');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
  await npm(project, 'install', '--prefer-offline', tarball);
  const npx = (...args: string[]) => npm(project, 'exec', '--offline', '--', 'heapwarden', ...args);

  // npm has words of its own on stderr; the program by itself has none.
  const heapwarden = (...args: string[]) => run(process.execPath, [join(project, 'node_modules/.bin/heapwarden'), ...args], { cwd: project, env });

  t.match((await npx('--version')).stdout, manifest['version']);
  writeFileSync(join(project, 'heapwarden.yml'), 'state_dir: ./state\nagent_socket: ./agent.sock\n');
  t.match(await heapwarden('check'), { stderr: '' });
  writeFileSync(join(project, 'bad.yml'), 'aps: []\n');
  await t.rejects(heapwarden('check', '--config.file=bad.yml'), { code: 1, stdout: /bad\.yml:1:1: unknown key "aps"/ });

  const port = await freePort();
  const options = { cwd: project };
  const warden = spawnPlain([join(project, 'node_modules/.bin/heapwarden'), 'serve', `--web.listen-address=127.0.0.1:${port}`], options);
  let said = '';
  for (const stream of [warden.stdout, warden.stderr]) stream.on('data', (chunk: Buffer) => (said += String(chunk)));
  const ended = new Promise((resolve) => warden.once('exit', resolve));
  t.teardown(async () => {
    warden.kill();
    await ended;
  });
  const page = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).then((response) => response.text(), () => '');
  await waitFor(`the warden to be ready; it said: ${said}`, async () => (await page('/-/ready')).includes('ready'), 60_000);

  writeFileSync(join(project, 'app.mjs'), 'setInterval(() => {}, 1000);\n');
  const sent = { HEAPWARDEN_SOCKET: join(project, 'agent.sock'), HEAPWARDEN_APP: 'shop' };
  const app = spawnPlain(['--import', 'heapwarden/agent', 'app.mjs'], { ...options, env: sent });
  const appEnded = new Promise((resolve) => app.once('exit', resolve));
  t.teardown(async () => {
    app.kill();
    await appEnded;
  });
  const isThere = async () => /^heapwarden_nodejs_heap_size_used_bytes\{app="shop"[^}]*\} \d+/m.test(await page('/metrics'));
  t.ok(await waitFor("the app's heap among the metrics", isThere, 60_000));
  t.match(await page('/'), /<title>/, 'and the status page is there');
  t.match(await page('/assets/web/page/uplot.js'), /uPlot/, 'with its charts, which come from another package');
});

t.test('a TypeScript project takes it', async (t) => {
  const project = join(folder, 'typed');
  mkdirSync(project);
  const main = `import { createRequire } from 'node:module';\nimport * as heapwarden from 'heapwarden';\nimport 'heapwarden/agent';\nexport const all: object = [heapwarden, createRequire];\n`;
  const files = { 'package.json': JSON.stringify({ name: 'typed', private: true, type: 'module' }), 'main.ts': main, 'common.cts': "import agent = require('heapwarden/agent');\nexport const it: object = agent;\n" };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
  await npm(project, 'install', '--prefer-offline', tarball);
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
  const tsc = (...args: string[]) => runPlain([join(root, 'node_modules/typescript/bin/tsc'), ...options, ...args], { cwd: project });
  const silent = { code: 0, out: '', err: '' };
  t.strictSame(await tsc('--module', 'nodenext', 'main.ts', 'common.cts'), silent, 'as Node.js resolves');
  t.strictSame(await tsc('--module', 'esnext', '--moduleResolution', 'bundler', 'main.ts'), silent, 'as bundlers do');
});
