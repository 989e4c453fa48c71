/** What it takes to write a page, and for how long the event loop is held meanwhile. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { FastifyInstance } from 'fastify';
import { metricsRoute } from '../../../src/http/metrics.js';
import { createServer, listen } from '../../../src/http/server.js';
import type { Family, View } from '../../../src/publish/family.js';
import { render } from '../../../src/publish/render.js';
import { MemoryLog } from '../../agent/support.js';
import { MB, workerOf } from '../../decide/support.js';
import { VIEW, asOne, byPromClient, collectorOf, viewFamilies } from '../../publish/support.js';
import { percentile } from '../figures.js';

export interface Effort {
  /** Of one page, from its begin to its end; all of it is CPU time but for what a scraper takes to read. */
  wallMs: number;
  /** The longest time that the event loop was held by any of the pages. */
  heldMs: number;
}

export interface RenderingFigures {
  workers: number;
  series: number;
  bytes: number;
  promClient: Effort;
  heapwarden: Effort;
  /** The same through the server, to a scraper in another thread. */
  scraped: Effort;
}

const SPACES = ['read_only', 'new', 'old', 'code', 'shared', 'trusted', 'new_large_object', 'large_object'];
const gc = (count: number) => ({ count, sum_seconds: count / 1000, buckets: [count, count, count, count, count, count] });

/** A warden's view of so many workers of an app, each with an agent. */
export function fleetView(workers: number): View {
  return {
    ...VIEW,
    workers: Array.from({ length: workers }, (_, i) =>
      workerOf({
        worker: String(i),
        pid: 1000 + i,
        rssBytes: 80 * MB + i,
        stats: {
          heap_live: 20 * MB + i,
          heap_spaces: Object.fromEntries(SPACES.map((space, j) => [space, MB * j + i])),
          gc: { major: gc(i), minor: gc(10 * i), incremental: gc(0), weakcb: gc(0) },
          loop: {
            window_seconds: 10, mean_seconds: 0.001, p50_seconds: 0.0005, p90_seconds: 0.002, p99_seconds: 0.01,
            max_seconds: 0.25, utilization_ratio: 0.125,
          },
          active_resources: { TCPServerWrap: 1, TCPSocketWrap: i % 10, Timeout: 2 },
        },
      }),
    ),
  };
}

const seriesOf = (text: string): number => text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;

const pageOf = (view: View): Promise<Buffer> =>
  render([collectorOf('view', ...viewFamilies(view))], view.health, 'text', (_collector, error) => {
    throw error;
  });

/** So many workers that their page has about so many series. */
export async function workersFor(series: number): Promise<number> {
  const [one, eleven] = [seriesOf(String(await pageOf(fleetView(1)))), seriesOf(String(await pageOf(fleetView(11))))];
  const each = (eleven - one) / 10;
  return Math.max(1, Math.round((series - (one - each)) / each));
}

/** Medians of so many pages each, in turn. */
export async function measureRendering(workers: number, pages: number): Promise<RenderingFigures> {
  const view = fleetView(workers);
  const page = await pageOf(view);
  const [theirs, ours, scraped]: [Effort[], Effort[], Effort[]] = [[], [], []];
  const scraper = await Scraper.start(view);
  try {
    for (let i = -2; i < pages; i++) {
      const round = [
        // It is given lists, as it has them in its own metrics, and so is spared making the samples.
        await effortOf(listed(viewFamilies(view)), (families) => byPromClient(families, 'text')),
        await effortOf(view, pageOf),
        await effortOf(scraper, (client) => client.scrape()),
      ] as const;
      if (i < 0) continue; // not yet fast
      theirs.push(round[0]);
      ours.push(round[1]);
      scraped.push(round[2]);
    }
  } finally {
    await scraper.close();
  }
  const figures = { promClient: median(theirs), heapwarden: median(ours), scraped: median(scraped) };
  return { workers, series: seriesOf(String(page)), bytes: page.length, ...figures };
}

const listed = (families: readonly Family[]): Family[] => families.map((family) => ({ ...family, values: [...family.values].map(asOne) }));

function median(efforts: readonly Effort[]): Effort {
  return { wallMs: percentile(efforts.map(({ wallMs }) => wallMs), 0.5), heldMs: Math.max(...efforts.map(({ heldMs }) => heldMs)) };
}

/** The loop turns as fast as it can meanwhile: the longest turn is what anybody else has to wait. */
async function effortOf<T>(of: T, work: (of: T) => Promise<unknown>): Promise<Effort> {
  await new Promise((resolve) => setTimeout(resolve, 20)); // garbage of the one before
  let [heldMs, isDone] = [0, false];
  let last = performance.now();
  const startedAt = last;
  const turn = (): void => {
    const now = performance.now();
    heldMs = Math.max(heldMs, now - last);
    last = now;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  await work(of);
  const wallMs = performance.now() - startedAt;
  isDone = true;
  turn();
  return { wallMs, heldMs };
}

/** Scrapes one page after the other, from a thread of its own. */
const CLIENT = `
  const { parentPort } = require('node:worker_threads');
  const { get } = require('node:http');
  parentPort.on('message', (url) => get(url, { agent: false }, (response) => {
    let bytes = 0;
    response.on('data', (chunk) => (bytes += chunk.length));
    response.on('end', () => parentPort.postMessage(bytes));
  }));
`;

class Scraper {
  readonly #server: FastifyInstance;
  readonly #client: Worker;
  readonly #url: string;

  private constructor(server: FastifyInstance, client: Worker, url: string) {
    this.#server = server;
    this.#client = client;
    this.#url = url;
  }

  static async start(view: View): Promise<Scraper> {
    const route = metricsRoute({ metrics: () => pageOf(view) }, '/metrics');
    const server = createServer([route], { version: '0', log: new MemoryLog() });
    const url = await listen(server, { host: '127.0.0.1', port: 0 });
    return new Scraper(server, new Worker(CLIENT, { eval: true }), `${url}/metrics`);
  }

  async scrape(): Promise<void> {
    this.#client.postMessage(this.#url); // oxlint-disable-line unicorn/require-post-message-target-origin -- a worker thread has none
    const [bytes] = (await once(this.#client, 'message')) as [number];
    if (bytes === 0) throw new Error('an empty page');
  }

  async close(): Promise<void> {
    await this.#client.terminate();
    await this.#server.close();
  }
}
