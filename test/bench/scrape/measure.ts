/** One turn of one contestant: a scrape a second, and then as long without. */
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../figures.js';
import { SAMPLE_INTERVAL_MS, type Contestant } from './contestants.js';
import { cpuMs as cpuMsOf } from '../process-cost.js';
import { pageFacts, type PageFacts } from './page.js';

export interface Turn {
  /** CPU time of a scrape, with the one look at all processes that a warden has made in the same second. */
  cpuMs: number;
  /** CPU time of that second without a scrape. */
  idleCpuMs: number;
  /** Of the scrapes' wall times, from the request to the last byte. */
  wallMs: number;
  page: PageFacts;
}

/**
 * For it to take up its work again after it was stopped, to have its caches warm, and to have done what it has missed: a
 * warden saves its history of the day every two minutes, two seconds after it is due, and would do so in every turn.
 */
const SETTLING_SCRAPES = 8;

/** Rejects with the signal's reason where that aborts. */
export async function takeTurn(contestant: Contestant, scrapes: number, signal: AbortSignal): Promise<Turn> {
  const { pid, url, markOfOne } = contestant;
  const text = await scrape(url);
  for (let i = 0; i < SETTLING_SCRAPES; i++) {
    await sleep(SAMPLE_INTERVAL_MS, undefined, { signal });
    await scrape(url);
  }
  await sleep(SAMPLE_INTERVAL_MS, undefined, { signal });
  const idleMs = scrapes * SAMPLE_INTERVAL_MS;
  const [startedAt, cpuAtStart] = [performance.now(), cpuMsOf(pid)];
  const walls: number[] = [];
  for (let i = 0; i < scrapes; i++) {
    const askedAt = performance.now();
    await scrape(url);
    walls.push(performance.now() - askedAt);
    await sleep(Math.max(0, startedAt + (i + 1) * SAMPLE_INTERVAL_MS - performance.now()), undefined, { signal });
  }
  const [scrapedAt, cpuAfterScrapes] = [performance.now(), cpuMsOf(pid)];
  await sleep(idleMs, undefined, { signal });
  const [endedAt, cpuAtEnd] = [performance.now(), cpuMsOf(pid)];
  // One that takes longer than a second for a scrape has made more than one look in it.
  const perScrape = (cpuAfterScrapes - cpuAtStart) / scrapes;
  const idleCpuMs = ((cpuAtEnd - cpuAfterScrapes) / (endedAt - scrapedAt)) * SAMPLE_INTERVAL_MS;
  const lateSeconds = Math.max(0, scrapedAt - startedAt - idleMs) / SAMPLE_INTERVAL_MS / scrapes;
  const cpuMs = perScrape - lateSeconds * idleCpuMs;
  return { cpuMs, idleCpuMs, wallMs: percentile(walls, 0.5), page: pageFacts(text, markOfOne) };
}

const WARM_UP_MS = 60_000;

/**
 * Scrapes and looks that nobody counts: what a program has run a few times only, it does not run as fast as it can, and
 * a warden runs for weeks. `scrapes` without a pause, and then one with each look until the time is over. Rejects with
 * the signal's reason where that aborts.
 */
export async function warmUp({ url }: Contestant, signal: AbortSignal, scrapes = 100): Promise<void> {
  const until = performance.now() + WARM_UP_MS;
  for (let i = 0; performance.now() < until; i++) {
    signal.throwIfAborted();
    await scrape(url);
    if (i >= scrapes) await sleep(SAMPLE_INTERVAL_MS, undefined, { signal });
  }
}

/** On a connection of its own. */
function scrape(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
        else reject(new Error(`${url} answered ${response.statusCode}`));
      });
    }).on('error', reject);
  });
}
