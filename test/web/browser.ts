/** The status page in a real Chromium, held to what every visit of it must keep. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Result } from 'axe-core';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import type { Test } from 'tap';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Milliseconds that anything on the page may take: the machine may be busy with other tests. */
export const PATIENCE_MS = 30_000;

export const PHONE = { width: 390, height: 844 } as const;

export async function openBrowser(t: Pick<Test, 'teardown'>, executablePath: string): Promise<Browser> {
  // Chromium refuses to run its sandbox as root, and /dev/shm is small in containers.
  const args = ['--disable-dev-shm-usage', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])];
  const browser = await chromium.launch({ executablePath, args });
  t.teardown(() => browser.close());
  return browser;
}

export interface Visit {
  page: Page;
  /** Fails the test where the console held an error, or another origin was asked. */
  checkClean(): void;
}

export interface SlowConnection {
  latencyMs: number;
  bytesPerSecond: number;
}

/** `expected`: messages of the browser's own that this visit brings about, such as that of a 401. */
export async function visit(
  t: Test,
  browser: Browser,
  url: string,
  { expected = [], slow, ...options }: BrowserContextOptions & { expected?: readonly RegExp[]; slow?: SlowConnection } = {},
): Promise<Visit> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options });
  t.teardown(() => context.close());
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const said: string[] = [];
  const elsewhere: string[] = [];
  const { origin } = new URL(url);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) said.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => said.push(String(error.stack ?? error)));
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (!['data:', 'blob:'].includes(asked.protocol) && asked.origin !== origin) elsewhere.push(request.url());
  });
  if (slow) {
    const network = await context.newCDPSession(page);
    const { latencyMs, bytesPerSecond } = slow;
    const throughput = { downloadThroughput: bytesPerSecond, uploadThroughput: bytesPerSecond };
    await network.send('Network.emulateNetworkConditions', { offline: false, latency: latencyMs, ...throughput });
  }
  await page.goto(url);
  return {
    page,
    checkClean: () => {
      const unexpected = said.filter((text) => !expected.some((pattern) => pattern.test(text)));
      t.strictSame(unexpected, [], 'the console says nothing');
      t.strictSame(elsewhere, [], 'no other origin was asked');
    },
  };
}

/** What axe-core finds serious or critical, as lines. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // Evaluated by the debugger, as the page's policy lets no script in.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Result[] }> } };
    return axe.run();
  });
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)}: ${failureSummary}`));
}

/** Pixels by which the page is wider than the window. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
