/** The status page with 200 workers. */
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { appHistory } from '../../src/publish/day.js';
import { MINUTE, SECOND } from '../decide/support.js';
import { serverOf } from '../http/support.js';
import { until } from '../observe/support.js';
import { needParts } from '../parts/index.js';
import { bookOf } from '../publish/day-book.js';
import { manyApps, pastOf } from './many.js';
import { PHONE, openBrowser, overflow, seriousFindings, visit } from './browser.js';

const WORKERS = 200;
const ROUND_MS = 500;

async function shown(t: Test, apps: number, past = pastOf) {
  const parts = needParts(t, 'chromium');
  if (!parts) return null;
  const { pageRoutes } = (await import(new URL('../../dist/web/page.js', import.meta.url).href)) as typeof import('../../src/web/page.js');
  const { server, warden } = serverOf(t, { page: pageRoutes });
  const asked: string[] = [];
  let round = 0;
  warden.apps = () => manyApps({ apps, workers: WORKERS / apps, round });
  const status = { ...warden.status(), sample_interval_seconds: ROUND_MS / 1000 };
  warden.status = () => ({ ...status, now_seconds: Date.now() / 1000 });
  warden.history = (app, range, worker) => {
    asked.push(`${app}/${worker ?? '*'}`);
    return past(app, worker ?? '0', range, Date.now() / 1000);
  };
  await server.listen({ host: '127.0.0.1', port: 0 });
  const timer = setInterval(() => {
    round++;
    warden.changes.tell('status', 'apps');
  }, ROUND_MS);
  t.teardown(() => clearInterval(timer));
  const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}/`;
  return { url, asked, browser: await openBrowser(t, parts.chromium), round: () => round };
}

for (const [name, apps, options] of [
  ['of one app', 1, {}],
  ['of 40 apps, on a phone', 40, { viewport: PHONE, deviceScaleFactor: 2 }],
] as const) {
  t.test(`${WORKERS} workers ${name}`, async (t) => {
    const made = await shown(t, apps);
    if (!made) return;
    const { url, asked, browser, round } = made;
    const from = performance.now();
    const { page, checkClean } = await visit(t, browser, url, options);
    await page.locator('article.worker').nth(WORKERS - 1).waitFor();
    const allMs = performance.now() - from;
    await page.locator('canvas').first().waitFor();
    const chartMs = performance.now() - from;
    const paint = await page.evaluate<number>('performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN');

    const charts = await page.locator('canvas').count();
    t.ok(charts > 0 && charts <= 24, `${charts} charts, those in sight`);
    t.ok(asked.length <= 24 && !asked.some((who) => who.endsWith('/*')), `${asked.length} pasts were asked for, each of one worker`);

    // What a round costs the page, and how long after it was measured it is to be seen.
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    const busy = async (): Promise<number> => {
      const { metrics } = await session.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'TaskDuration')!.value;
    };
    const [busyBefore, roundBefore] = [await busy(), round()];
    await page.waitForTimeout(5000);
    const rounds = round() - roundBefore;
    const perRoundMs = ((await busy()) - busyBefore) * 1000 / rounds;
    const behind = round() - Number(await page.locator('dl').first().textContent().then((text) => /Process(\d+)/.exec(text ?? '')?.[1]));
    t.ok(behind < rounds, `it is ${behind} rounds behind, and not where it was ${rounds} rounds before`);

    await page.evaluate('window.scrollTo(0, document.body.scrollHeight)');
    const last = page.locator('article.worker').last();
    await last.scrollIntoViewIfNeeded();
    await last.locator('canvas').waitFor();
    const after = await page.locator('canvas').count();
    t.ok(after <= 24, `${after} charts after scrolling to the end: those out of sight have gone`);
    t.equal(await overflow(page), 0);
    await page.locator('#filter').fill(apps === 1 ? 'nothing of the kind' : 'app-39');
    t.equal(await page.locator('section.app:visible').count(), apps === 1 ? 0 : 1);
    t.strictSame(await seriousFindings(page), []);
    t.comment(
      `${WORKERS} workers ${name}: first paint ${Math.round(paint)} ms, all workers ${Math.round(allMs)} ms, first chart ${Math.round(chartMs)} ms; ` +
        `${perRoundMs.toFixed(1)} ms of work a round, ${charts} charts; ${behind} rounds behind`,
    );
    t.ok(perRoundMs < ROUND_MS, 'quick enough to keep up');
    checkClean();
  });
}

t.test('200 workers over a slow connection stay fresh', async (t) => {
  const made = await shown(t, 1);
  if (!made) return;
  const { url, browser, round } = made;
  const from = performance.now();
  const { page, checkClean } = await visit(t, browser, url, { slow: { latencyMs: 200, bytesPerSecond: 100_000 } });
  await page.locator('article.worker').nth(WORKERS - 1).waitFor();
  const allMs = performance.now() - from;
  const seen = async () => Number(/Process(\d+)/.exec((await page.locator('dl').first().textContent()) ?? '')?.[1]);
  const samples: number[] = [];
  const roundBefore = round();
  for (let i = 0; i < 10; i++) {
    await page.waitForTimeout(2000);
    samples.push(round() - (await seen()));
  }
  t.comment(`${WORKERS} workers at 800 kbit/s: seen after ${Math.round(allMs)} ms; rounds behind, every 2 s: ${samples.join(' ')}`);
  t.ok(samples.at(-1)! < round() - roundBefore, `${samples.at(-1)} rounds behind`);
  checkClean();
});

t.test('the GC share is right in a slice that has just begun', async (t) => {
  const end = Math.floor(Date.now() / (2 * MINUTE)) * 2 * MINUTE + 3 * SECOND;
  const book = bookOf({ share: 0.4, everyMs: SECOND, end });
  const made = await shown(t, WORKERS, (app, worker, range) => {
    const { workers, ...history } = appHistory(book, 'shop', range, end);
    return { ...history, app, workers: workers.map((own) => ({ ...own, worker })) };
  });
  if (!made) return;
  const { page, checkClean } = await visit(t, made.browser, made.url);
  const figures = page.locator('dl').first();
  await figures.filter({ hasText: 'GC share40 %' }).waitFor();
  const asked = made.asked.length;
  await page.getByLabel('a day').check();
  await until('the past of a day', () => made.asked.length > asked);
  await page.waitForTimeout(ROUND_MS);
  t.match(await figures.textContent(), /GC share40 %/);
  checkClean();
});
