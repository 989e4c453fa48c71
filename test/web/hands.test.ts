/** The status page of the real program in a person's hands: with a mouse, and with the keyboard alone. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { spawnPlain } from '../integration/plain-node.js';
import { WardenProcess, appFile } from '../integration/warden-process.js';
import { visit } from './browser.js';
import { HOSTILE, calm, card, giveToken, wardenAndBrowser } from './warden-page.js';

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
  await giveToken(page, 'not-the-token');
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

t.test('what no token can be is told at once, and not kept', async (t) => {
  const made = await wardenAndBrowser(t, { config: calm });
  if (!made) return;
  const { warden, browser } = made;
  const { page, checkClean } = await visit(t, browser, warden.url);
  await card(page).getByRole('button', { name: /^Dry run / }).click();
  for (const given of ['••••••••', '“token”', 'two words']) {
    await giveToken(page, given);
    t.ok(await page.locator('#token:invalid').isVisible(), given);
  }
  t.equal(await page.locator('#said').textContent(), '', 'nothing was asked of heapwarden');
  await giveToken(page, ` ${warden.token} `);
  await page.locator('#said', { hasText: 'dry run' }).waitFor();
  checkClean();
});

t.test('an app has its buttons for as long as it is in the config', async (t) => {
  const how = (name: string) => `{ external: { pid_file: ${name}.pid, restart: { signal: SIGTERM } } }`;
  const external = (name: string) => `{ name: ${name}, supervisor: ${how(name)} }`;
  const config = (...apps: string[]) => `sample_interval: 500ms\napps: [${apps.map(external).join(', ')}]`;
  const made = await wardenAndBrowser(t, { config: config('other') });
  if (!made) return;
  const { warden, browser } = made;
  const env = { HEAPWARDEN_SOCKET: join(warden.dir, 'agent.sock'), HEAPWARDEN_APP: 'stray', LEAK_MB: '5' };
  const app = spawnPlain(['--import', import.meta.resolve('heapwarden/agent'), appFile('leaks.mjs')], { env });
  t.teardown(() => app.kill('SIGKILL'));
  writeFileSync(join(warden.dir, 'stray.pid'), String(app.pid));
  const { page, checkClean } = await visit(t, browser, warden.url);
  const section = page.locator('section.app', { hasText: 'stray' });
  const restarts = section.getByRole('button', { name: /^Restart / });
  await section.filter({ hasText: 'never restarted' }).waitFor();
  t.equal(await restarts.count(), 0);

  WardenProcess.writeConfig(warden.dir, config('other', 'stray'));
  await warden.post('/-/reload');
  await section.filter({ hasText: 'external' }).waitFor();
  await restarts.nth(1).waitFor();
  t.equal(await restarts.count(), 2, 'of the app and of its worker');

  WardenProcess.writeConfig(warden.dir, config('other'));
  await warden.post('/-/reload');
  await section.filter({ hasText: 'never restarted' }).waitFor();
  t.equal(await restarts.count(), 0);
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
