/** The status page of the real program: a leaking app through a whole incident, and a person's hand on it. */
import { readFile } from 'node:fs/promises';
import t, { type Test } from 'tap';
import type { Page } from 'playwright-core';
import { WardenProcess, appFile, type WardenSetup } from '../integration/warden-process.js';
import { needParts } from '../parts/index.js';
import { PHONE, openBrowser, overflow, seriousFindings, visit } from './browser.js';

const NODE = process.execPath;
const HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(2)>';

const leaking = `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: { child: { command: ${JSON.stringify([NODE, appFile('leaks-by-name.cjs')])}, env: { LEAK_PER_TURN: "30" } } }
    limits: { rss: { warning: 90MB, critical: 120MB, restart: 200MB, for: 1s } }
    restart: { startup_grace: 1s, stop_timeout: 3s, cooldown: 1h }`;

const calm = `
sample_interval: 500ms
apps:
  - name: ${JSON.stringify(HOSTILE)}
    supervisor: { child: { command: ${JSON.stringify([NODE, appFile('leaks.mjs')])}, env: { LEAK_MB: "5" }, instances: 2 } }
    limits: { rss: { warning: 300MB, critical: 400MB, restart: 500MB } }
    restart: { startup_grace: 0s, stop_timeout: 3s, cooldown: 0s, budget: 50/1h }`;

async function wardenAndBrowser(t: Test, setup: WardenSetup) {
  const parts = needParts(t, 'chromium');
  if (!parts) return null;
  const warden = await WardenProcess.start(t, setup);
  await warden.ready();
  return { warden, browser: await openBrowser(t, parts.chromium) };
}

const card = (page: Page, worker = '0') => page.getByRole('article', { name: new RegExp(`/${worker}$`) });

async function giveToken(page: Page, token: string): Promise<void> {
  await page.locator('#token').fill(token);
  await page.getByRole('button', { name: 'Go on' }).click();
}

t.test('a leaking app, from its warning to what is known of it afterwards', async (t) => {
  const made = await wardenAndBrowser(t, { config: leaking });
  if (!made) return;
  const { warden, browser } = made;
  const { page, checkClean } = await visit(t, browser, warden.url);
  const state = card(page).locator('.state');
  await state.filter({ hasText: /^warning: memory$/ }).waitFor();
  t.match(await page.title(), /1 near a limit/);
  t.ok(await card(page).locator('canvas').isVisible(), 'its memory is drawn');
  await state.filter({ hasText: /^critical: memory$/ }).waitFor();

  const incident = page.locator('#incidents li', { hasText: 'rss' }).first();
  await incident.locator('.state', { hasText: 'recovered' }).waitFor({ timeout: 90_000 });
  await card(page).locator('.words', { hasText: /cooldown: \d+m/ }).waitFor();
  t.match(await page.locator('section.app > p').textContent(), /^child · 4 of 5 restarts left in 1h$/);
  t.match(await card(page).locator('dl').textContent(), /Uptime\d+(\.\d)? s/);

  await incident.locator('summary').click();
  const told = await incident.textContent();
  t.match(told, /heapwarden asked for a restart \(rss\): its memory is \d+ MB, the limit 200 MB/);
  t.match(told, /Memory \d+ MB before, [\d.]+ MB after\./);
  t.match(told, /\d+% of the [\d.]+ MB .* are from .*leaks-by-name\.cjs:[67]:\d+\)/, 'the finding, without a token');

  await incident.getByRole('button', { name: 'Show suspects.txt' }).click();
  await giveToken(page, warden.token);
  await incident.locator('pre', { hasText: /leaks-by-name\.cjs:[67]:/ }).waitFor();
  const lines = (await incident.locator('pre').innerText()).split('\n');
  t.ok(lines.length <= 25, `${lines.length} lines`);

  const coming = page.waitForEvent('download');
  await incident.getByRole('button', { name: 'Download allocations.heapprofile' }).click();
  const download = await coming;
  t.match(download.suggestedFilename(), /-allocations\.heapprofile$/);
  t.match(JSON.parse(await readFile(await download.path(), 'utf8')), { head: { callFrame: {} } }, 'DevTools can open it');
  t.strictSame(await seriousFindings(page), []);
  checkClean();
});

t.test('a person restarts, rehearses, pauses and resumes', async (t) => {
  const made = await wardenAndBrowser(t, { config: calm });
  if (!made) return;
  const { warden, browser } = made;
  const { page, checkClean } = await visit(t, browser, warden.url, { expected: [/status of 401 .*\/restart\)/] });
  await card(page, '1').waitFor();
  t.equal(await page.locator('h2').first().textContent(), HOSTILE, 'a name is text');
  t.equal(await page.locator('main script, main img').count(), 0);
  const before = await warden.pid(HOSTILE, '1');
  const said = page.locator('#said');

  const restart = card(page, '1').getByRole('button', { name: /^Restart / });
  await restart.click();
  await giveToken(page, 'not the token');
  await said.filter({ hasText: 'that was not the token' }).waitFor();
  t.equal(await warden.pid(HOSTILE, '1'), before, 'nothing was touched');

  await card(page, '1').getByRole('button', { name: /^Dry run / }).click();
  await giveToken(page, warden.token);
  await said.filter({ hasText: 'dry run' }).waitFor();
  t.equal(await warden.pid(HOSTILE, '1'), before, 'a rehearsal touches nothing');

  await restart.click();
  t.equal(await page.locator('#token').isVisible(), false, 'the token is known, but it asks before it restarts');
  await page.keyboard.press('Escape');
  t.equal(await warden.pid(HOSTILE, '1'), before);
  await restart.click();
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.locator('#incidents li', { hasText: /\/1 manual recovered/ }).waitFor();
  const after = await warden.pid(HOSTILE, '1');
  t.not(after, before);
  await card(page, '1').locator('dl', { hasText: `Process${after}` }).waitFor();

  await page.getByRole('button', { name: /^Pause / }).click();
  await page.locator('section.app > p', { hasText: 'paused by a person' }).waitFor();
  t.match((await warden.apps())[0], { paused: { until_seconds: null } });
  await page.getByRole('button', { name: /^Resume / }).click();
  await page.locator('section.app > p', { hasText: /left in 1h$/ }).waitFor();
  t.match((await warden.apps())[0], { paused: null });

  await page.getByRole('button', { name: 'Put away' }).click();
  t.equal(await said.textContent(), '');
  const kept = await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])');
  t.notOk(String(kept).includes(warden.token), 'the token is kept nowhere');
  await page.reload();
  await restart.click();
  t.ok(await page.locator('#token').isVisible(), 'and gone with a reload');
  checkClean();
});

t.test('with the keyboard alone', async (t) => {
  const made = await wardenAndBrowser(t, { config: calm });
  if (!made) return;
  const { warden, browser } = made;
  const { page, checkClean } = await visit(t, browser, warden.url);
  await card(page, '1').waitFor();
  const focused = () => page.evaluate<string>('document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent');
  const tabTo = async (wanted: RegExp): Promise<void> => {
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab');
      if (wanted.test(await focused())) return;
    }
    t.fail(`no Tab leads to ${wanted}`);
  };
  await page.keyboard.press('Tab');
  t.equal(await focused(), 'Skip to the apps');
  await page.keyboard.press('Enter');
  t.equal(await page.evaluate('document.activeElement.id'), 'apps');
  await tabTo(/^Restart .*\/0$/);
  t.equal(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'solid', 'the focus is seen');
  await page.keyboard.press('Enter');
  t.equal(await page.evaluate('document.activeElement.id'), 'token');
  await page.keyboard.press('Escape');
  t.equal(await page.locator('dialog').isVisible(), false);
  t.match(await focused(), /^Restart .*\/0$/, 'the focus is back where it was');
  const before = await warden.pid(HOSTILE);
  await page.keyboard.press('Enter');
  await page.keyboard.type(warden.token);
  await page.keyboard.press('Enter');
  await page.locator('#incidents li', { hasText: /\/0 manual recovered/ }).waitFor();
  t.not(await warden.pid(HOSTILE), before);
  await page.locator('#filter').focus();
  await page.keyboard.type('no such app');
  await page.keyboard.press('Enter');
  t.equal(await card(page).isVisible(), false);
  checkClean();
});

for (const [name, options] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['on a phone', { viewport: PHONE, colorScheme: 'light' }],
  ['on a phone, dark', { viewport: PHONE, colorScheme: 'dark', deviceScaleFactor: 2 }],
] as const) {
  t.test(`nothing serious to find: ${name}`, async (t) => {
    const made = await wardenAndBrowser(t, { config: calm });
    if (!made) return;
    const { page, checkClean } = await visit(t, made.browser, made.warden.url, options);
    await card(page).locator('canvas').waitFor();
    t.equal(await overflow(page), 0, 'nothing to scroll sideways');
    t.strictSame(await seriousFindings(page), []);
    const back = await page.evaluate('getComputedStyle(document.body).backgroundColor');
    t.equal(back, options.colorScheme === 'dark' ? 'rgb(20, 23, 28)' : 'rgb(246, 247, 249)');
    await card(page).getByRole('button', { name: /^Restart / }).click();
    t.strictSame(await seriousFindings(page), [], 'with the dialog open');
    t.equal(await overflow(page), 0);
    checkClean();
  });
}
