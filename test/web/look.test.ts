/** How the status page looks: light and dark, on a desk and on a phone. */
import t from 'tap';
import { PHONE, overflow, seriousFindings, visit } from './browser.js';
import { calm, card, wardenAndBrowser } from './warden-page.js';

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
