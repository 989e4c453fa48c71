/** `npm run screenshots`: the status page and the monitor as README shows them, with made-up apps, into deploy/screenshots. */
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { chromium, type Page } from 'playwright-core';
import type { AppStatus } from '../../src/publish/app-shape.js';
import { incidentStatus } from '../../src/publish/incidents.js';
import { incidentOf } from '../act/support.js';
import { serverOf } from '../http/support.js';
import { Terminal } from '../integration/terminal.js';
import { CLI } from '../integration/warden-process.js';
import { findPart } from '../parts/index.js';
import { MB } from '../decide/support.js';
import { manyApps, pastOf } from './many.js';
import { terminalPage } from './terminal-picture.js';

const TARGET = fileURLToPath(new URL('../../deploy/screenshots', import.meta.url));
const { version: VERSION } = createRequire(import.meta.url)('../../package.json') as { version: string };
/** Bytes; README is to load quickly. */
const LARGEST = 200_000;
const RESTART_AGO_SECONDS = 1500;

function apps(): AppStatus[] {
  const [shop, mail] = manyApps({ apps: 2, workers: 2, round: 4711 }) as [AppStatus, AppStatus];
  const [leaking, calm] = shop.workers as [AppStatus['workers'][number], AppStatus['workers'][number]];
  const quiet = { leak: null, forecast_seconds: null, levels: {} };
  const sized = (mb: number) => ({ resident_memory_bytes: mb * MB, heap_used_bytes: mb * 0.7 * MB, heap_live_bytes: mb * 0.6 * MB });
  return [
    {
      ...shop,
      app: 'shop',
      restart_budget_remaining: 4,
      workers: [
        { ...leaking, ...sized(597), pid: 4711, uptime_seconds: RESTART_AGO_SECONDS, levels: { rss: 'warning' }, forecast_seconds: 720, leak: { class: 'heap', bytes_per_second: 237_500, confidence: 0.97, companions: [] } },
        { ...calm, ...quiet, ...sized(182), pid: 4698, uptime_seconds: 93_600 },
      ],
    },
    { ...mail, app: 'mail', workers: [{ ...mail.workers[0]!, ...quiet, ...sized(141), pid: 912, uptime_seconds: 259_200 }] },
  ];
}

/** Flat but for shop/0, which is back at its old ways since its restart. */
function past(...[app, worker, range, now]: Parameters<typeof pastOf>): ReturnType<typeof pastOf> {
  const made = pastOf(app, worker, range, now);
  const from = now - RESTART_AGO_SECONDS;
  const size = app === 'mail' ? 141 : 182;
  const at = (i: number): number => {
    const time = made.start_seconds + i * made.step_seconds;
    if (app === 'mail' || worker === '1') return size + 6 * Math.sin(i / 9);
    return time < from ? 400 + (368 * (time - now + 3600)) / (3600 - RESTART_AGO_SECONDS) : 240 + (357 * (time - from)) / RESTART_AGO_SECONDS;
  };
  const scaled = (part: number) => made.workers[0]!.resident_memory_bytes.map((_, i) => Math.round(at(i) * part * MB));
  return {
    ...made,
    workers: [{ ...made.workers[0]!, resident_memory_bytes: scaled(1), heap_used_bytes: scaled(0.7), heap_live_bytes: scaled(0.6) }],
  };
}

function incidents(nowMs: number) {
  const atMs = nowMs - RESTART_AGO_SECONDS * 1000;
  const made = incidentOf({ id: '20261121T080340001Z-284da9' });
  const before = {
    pid: 4702, start: 1, startedAtMs: atMs - 2_500_000, rssBytes: 769 * MB, heapUsedBytes: 540 * MB, heapLimitBytes: 4345 * MB, heartbeatAtMs: atMs,
  };
  return [
    incidentStatus({
      ...made,
      atMs,
      app: 'shop',
      worker: '0',
      sentence: 'shop/0: heapwarden asked for a restart (rss): its memory is 769 MB, the limit 768 MB; it has gained 528 MB since its baseline 37m before: heap 519 MB',
      before,
      outcome: {
        ...made.outcome!,
        sentence: 'shop/0: restarted in 1.7 s, 0.0 s of it down; memory 769 MB before, 141 MB after',
        after: { ...before, pid: 4711, rssBytes: 141 * MB },
        evidence: {
          folder: '/var/lib/heapwarden/evidence/shop',
          files: ['incident.json', 'suspects.txt', 'allocations.heapprofile'],
          finding: '91% of the 485 MB that it allocated since its warning and still held are from remember (/srv/shop/sessions.js:7:60)',
          notes: [],
        },
      },
    }),
  ];
}

async function keep(page: Page, name: string): Promise<void> {
  const path = `${TARGET}/${name}.png`;
  // As large as what is in it, for a terminal; a page fills its window.
  await (name === 'monitor' ? page.locator('body') : page).screenshot({ path });
  const { size } = statSync(path);
  if (size > LARGEST) throw new Error(`${path} has ${size} bytes, more than ${LARGEST}`);
  console.log(`${path}: ${size} bytes`);
}

async function take(): Promise<void> {
  const executablePath = findPart('chromium');
  const tmux = findPart('tmux');
  if (tmux === null) throw new Error('there is no tmux on this machine; npm run setup:test tells why');
  if (executablePath === null) throw new Error('there is no chromium on this machine; npm run setup:test tells why');
  const ends: (() => unknown)[] = [];
  const { pageRoutes } = (await import(new URL('../../dist/web/page.js', import.meta.url).href)) as typeof import('../../src/web/page.js');
  const { server, warden } = serverOf({ teardown: (end: () => unknown) => void ends.push(end) }, { page: pageRoutes });
  const status = { ...warden.status(), version: VERSION, now_seconds: Date.now() / 1000 };
  warden.status = () => status;
  warden.apps = apps;
  warden.history = (app, range, worker) => {
    const slots = worker === undefined ? apps().find((one) => one.app === app)!.workers.map((one) => one.worker) : [worker];
    const each = slots.map((slot) => past(app, slot, range, status.now_seconds));
    return { ...each[0]!, workers: each.flatMap(({ workers }, i) => workers.map((one) => ({ ...one, worker: slots[i]! }))) };
  };
  warden.incidents = () => incidents(status.now_seconds * 1000);
  await server.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}/`;
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath, args });
  ends.push(() => browser.close());
  try {
    for (const [name, width, height, colorScheme] of [
      ['status-page', 1280, 1380, 'light'],
      ['status-page-dark', 1280, 1380, 'dark'],
      ['status-page-phone', 390, 844, 'light'],
    ] as const) {
      const page = await browser.newPage({ viewport: { width, height }, colorScheme, locale: 'en-GB', timezoneId: 'UTC' });
      await page.goto(url);
      await page.locator('canvas').first().waitFor();
      await page.locator('dl', { hasText: 'GC share2.0 %' }).first().waitFor();
      await page.locator('summary').first().click();
      await page.evaluate('document.activeElement.blur(); window.scrollTo(0, 0)');
      await page.locator('canvas').first().waitFor();
      await keep(page, name);
    }
    const terminal = new Terminal({ teardown: (end: () => unknown) => void ends.push(end), passing: () => true, comment: () => {} }, tmux, { columns: 100, rows: 28 });
    terminal.type(`${process.execPath} ${CLI} monitor --url=${url}`);
    await terminal.shows(/from remember[^]*█{40}/);
    const page = await browser.newPage({ viewport: { width: 900, height: 400 } });
    await page.setContent(terminalPage(terminal.colors()));
    await keep(page, 'monitor');
    terminal.type('q');
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

await take();
