/** The real program with calm apps, and a Chromium to look at it. */
import type { Page } from 'playwright-core';
import type { Test } from 'tap';
import { WardenProcess, appFile, type WardenSetup } from '../integration/warden-process.js';
import { needParts } from '../parts/index.js';
import { openBrowser } from './browser.js';

export const HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(2)>';

export const calm = `
sample_interval: 500ms
apps:
  - name: ${JSON.stringify(HOSTILE)}
    supervisor: { child: { command: ${JSON.stringify([process.execPath, appFile('leaks.mjs')])}, env: { LEAK_MB: "5" }, instances: 2 } }
    limits: { rss: { warning: 300MB, critical: 400MB, restart: 500MB } }
    restart: { startup_grace: 0s, stop_timeout: 3s, cooldown: 0s, budget: 50/1h }`;

/** null after skipping the suite by name, where there is no Chromium. */
export async function wardenAndBrowser(t: Test, setup: WardenSetup) {
  const parts = needParts(t, 'chromium');
  if (!parts) return null;
  const warden = await WardenProcess.start(t, setup);
  await warden.ready();
  return { warden, browser: await openBrowser(t, parts.chromium) };
}

export const card = (page: Page, worker = '0') => page.getByRole('article', { name: new RegExp(`/${worker}$`) });

export async function giveToken(page: Page, token: string): Promise<void> {
  await page.locator('#token').fill(token);
  await page.getByRole('button', { name: 'Go on' }).click();
}
