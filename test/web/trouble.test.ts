/** The status page when the warden or the network is not at its best. */
import { mkdtempSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { serverOf } from '../http/support.js';
import { waitFor } from '../integration/wait.js';
import { WardenProcess, appFile } from '../integration/warden-process.js';
import { appStatus, workerStatus } from '../monitor/support.js';
import { freePort } from '../parts/prometheus.js';
import { needParts } from '../parts/index.js';
import { openBrowser, seriousFindings, visit } from './browser.js';

const config = `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: { child: { command: ${JSON.stringify([process.execPath, appFile('leaks.mjs')])}, env: { LEAK_MB: "5" } } }
    limits: { rss: { restart: 500MB } }`;

/** What a browser says of a connection that was refused or cut. */
const CUT = [/net::ERR_/];

async function started(t: Test, setup: { dir?: string; port?: number } = {}): Promise<WardenProcess> {
  return (await WardenProcess.start(t, { config, ...setup })).ready();
}

t.test('it outlives the warden, says so, and comes back', async (t) => {
  const parts = needParts(t, 'chromium');
  if (!parts) return;
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'hw-web-'));
  const first = await started(t, { dir, port });
  const { page, checkClean } = await visit(t, await openBrowser(t, parts.chromium), first.url, { expected: CUT });
  const uptime = page.locator('dl > div', { hasText: 'Uptime' }).locator('dd');
  const live = page.locator('#connection', { hasText: /^live$/ });
  await live.waitFor();
  await page.locator('canvas').waitFor();
  await first.stop();
  await page.locator('#connection', { hasText: 'what is shown is old' }).waitFor();
  t.equal(await page.locator('article.worker').count(), 1, 'what was seen stays');
  t.equal(await page.evaluate('getComputedStyle(document.querySelector(".workers")).opacity'), '0.55', 'and looks old');
  await page.getByRole('button', { name: 'Restart shop/0' }).click();
  await page.locator('#token').fill('whatever');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.locator('#said', { hasText: 'heapwarden cannot be reached' }).waitFor();

  const second = await started(t, { dir, port });
  await live.waitFor();
  const pid = String(await second.pid('shop'));
  await page.locator('dl > div', { hasText: 'Process' }).locator('dd', { hasText: pid }).waitFor();
  const then = await uptime.textContent();
  await waitFor('the next uptime', async () => (await uptime.textContent()) !== then);
  checkClean();
});

t.test('a warden that hangs without a word is noticed', async (t) => {
  const parts = needParts(t, 'chromium');
  if (!parts) return;
  const warden = await started(t);
  const { page, checkClean } = await visit(t, await openBrowser(t, parts.chromium), warden.url, { expected: CUT });
  await page.locator('#connection', { hasText: /^live$/ }).waitFor();
  warden.child.kill('SIGSTOP');
  try {
    await page.locator('#connection', { hasText: 'what is shown is old' }).waitFor();
  } finally {
    warden.child.kill('SIGCONT');
  }
  await page.locator('#connection', { hasText: /^live$/ }).waitFor();
  checkClean();
});

t.test('an app of which its supervisor knows nothing, until it does', async (t) => {
  const parts = needParts(t, 'chromium');
  if (!parts) return;
  const built = new URL('../../dist/web/page.js', import.meta.url).href;
  const { pageRoutes } = (await import(built)) as typeof import('../../src/web/page.js');
  const { server, warden } = serverOf(t, { page: pageRoutes });
  warden.apps = () => [appStatus('api', []), appStatus('shop', [workerStatus()])];
  await server.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}/`;
  const { page, checkClean } = await visit(t, await openBrowser(t, parts.chromium), url);
  const section = page.locator('section.app', { has: page.getByRole('heading', { name: 'api' }) });
  await section.getByText('it has no worker: pm2 knows of none').waitFor();
  await page.locator('#summary', { hasText: /^1 of 1 workers up, 1 app without a worker$/ }).waitFor();
  t.equal(await page.getByText('has no worker').count(), 1, 'the other app has one');
  t.strictSame(await seriousFindings(page), []);
  const starting = workerStatus({ up: false, state: 'starting' });
  warden.apps = () => [appStatus('api', [workerStatus()]), appStatus('shop', [starting])];
  warden.changes.tell('apps');
  await page.locator('#summary', { hasText: /^1 of 2 workers up$/ }).waitFor();
  t.equal(await page.getByText('has no worker').count(), 0);
  t.equal(await page.locator('article.worker[data-tone=notice] .state').textContent(), 'starting');
  checkClean();
});

t.test('over a slow connection', async (t) => {
  const parts = needParts(t, 'chromium');
  if (!parts) return;
  const warden = await started(t);
  const browser = await openBrowser(t, parts.chromium);
  const from = performance.now();
  // DevTools' "slow 3G".
  const { page, checkClean } = await visit(t, browser, warden.url, { slow: { latencyMs: 2000, bytesPerSecond: 50_000 } });
  await page.locator('article.worker').waitFor();
  await page.locator('canvas').waitFor();
  t.comment(`400 kbit/s, 2 s of latency: the worker is seen after ${Math.round(performance.now() - from)} ms`);
  const then = await page.locator('dl').textContent();
  await waitFor('something new', async () => (await page.locator('dl').textContent()) !== then);
  await page.locator('#connection', { hasText: /^live$/ }).waitFor();
  checkClean();
});

t.test('the accessibility check can fail', async (t) => {
  const parts = needParts(t, 'chromium');
  if (!parts) return;
  const { page } = await visit(t, await openBrowser(t, parts.chromium), 'about:blank');
  await page.setContent('<p style="color: #999; background: #aaa">hard to read</p><button></button>');
  const found = (await seriousFindings(page)).map((finding) => finding.split(':')[0]);
  for (const id of ['button-name', 'color-contrast']) t.ok(found.includes(id), id);
});
