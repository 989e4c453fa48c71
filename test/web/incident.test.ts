/** The status page of the real program: a leaking app through a whole incident. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { appFile } from '../integration/warden-process.js';
import { seriousFindings, visit } from './browser.js';
import { card, giveToken, wardenAndBrowser } from './warden-page.js';

const leaking = `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: { child: { command: ${JSON.stringify([process.execPath, appFile('leaks-by-name.cjs')])}, env: { LEAK_PER_TURN: "30" } } }
    limits: { rss: { warning: 90MB, critical: 120MB, restart: 200MB, for: 1s } }
    restart: { startup_grace: 1s, stop_timeout: 3s, cooldown: 1h }`;

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
  t.match(await page.locator('section.app > p.soft').textContent(), /^child · 4 of 5 restarts left in 1h$/);
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
