/** Made-up processes with one disease each, or none; seeded, so that each run is the same. */
import { Series, type MemorySample } from '../../src/observe/series.js';
import { HOUR, MB, MINUTE, SECOND } from './support.js';

/** Uniform in [0, 1): mulberry32, https://github.com/cprosche/mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Standard normal, by Box and Muller. */
export function normalOf(random: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Bytes that are held at a time since the process started, by what holds them. */
export interface Body {
  heap?: (ms: number) => number;
  buffers?: (ms: number) => number;
  native?: (ms: number) => number;
  children?: (ms: number) => number;
  resources?: (ms: number) => Record<string, number>;
}

export interface Life {
  seed: number;
  /** Standard deviation of resident memory as a share of it. */
  noise: number;
  /** How much a value's noise is the one before's, at one sample's distance. */
  memory?: number;
  sampleMs?: number;
  /** Milliseconds from one major GC to the next, and what gathers until then. */
  gcMs?: number;
  garbage?: number;
  agent?: boolean;
  /** When the agent came into it: what it was before nobody has told. */
  agentAtMs?: number;
}

export const BASE = { heap: 60 * MB, buffers: 10 * MB, native: 80 * MB, children: 0 };
/** Of the time. */
export const GC_SHARE = 0.02;
export const BASE_RSS = 200 * MB;

/** Endless samples of such a process, from its start. */
export function* samplesOf(body: Body, life: Life): Generator<MemorySample> {
  const { sampleMs = 5 * SECOND, gcMs = 4 * MINUTE, garbage = 40 * MB, noise, memory = 0, agent = true, agentAtMs = 0 } = life;
  const random = randomOf(life.seed);
  const normal = normalOf(random);
  let heapLive: number | null = null;
  let collectedAt = 0;
  let nextGc = gcMs;
  let drift = 0;
  for (let at = 0; ; at += sampleMs) {
    const heap = body.heap?.(at) ?? BASE.heap;
    if (at >= nextGc) {
      const lives = Math.round(heap * (1 + 0.2 * noise * normal()) + random() * 1000);
      heapLive = at >= agentAtMs ? lives : null;
      collectedAt = at;
      nextGc = at + gcMs * (0.6 + 0.8 * random());
    }
    const gathered = Math.min(1.4, (at - collectedAt) / gcMs) * garbage;
    const heapTotal = heap + Math.max(gathered, 0.6 * garbage) + 10 * MB;
    const external = body.buffers?.(at) ?? BASE.buffers;
    const native = body.native?.(at) ?? BASE.native;
    const children = body.children?.(at) ?? BASE.children;
    drift = memory * drift + Math.sqrt(1 - memory ** 2) * normal();
    const ownRss = heapTotal + external + native + BASE_RSS * noise * drift;
    yield {
      at,
      treeRss: ownRss + children,
      rootRss: ownRss,
      ownRss,
      runtime: agent && at >= agentAtMs ? { heapTotal, heapHeld: heap + gathered, heapLive, external, gcSeconds: at * GC_SHARE / 1000, resources: body.resources?.(at) ?? { TCPServerWrap: 1 } } : null,
    };
  }
}

/** The series of a life up to `untilMs`; `each` sees it every `everyMs`. */
export function live(body: Body, life: Life, untilMs: number, each?: { everyMs: number; look(series: Series): void }): Series {
  const series = new Series();
  let next = each?.everyMs ?? Infinity;
  for (const sample of samplesOf(body, life)) {
    if (sample.at > untilMs) break;
    if (sample.at >= 10 * MINUTE) series.add(sample);
    if (sample.at >= next) {
      each!.look(series);
      next += each!.everyMs;
    }
  }
  return series;
}

const ramp = (base: number, perHour: number) => (ms: number) => base + (perHour * ms) / HOUR;

export const DISEASES: Record<string, (perHour: number) => Body> = {
  heap: (perHour) => ({ heap: ramp(BASE.heap, perHour) }),
  buffers: (perHour) => ({ buffers: ramp(BASE.buffers, perHour) }),
  native: (perHour) => ({ native: ramp(BASE.native, perHour) }),
  children: (perHour) => ({ children: ramp(20 * MB, perHour) }),
};

/** Healthy, with what varies drawn from `random`. */
export const HEALTHY: Record<string, (random: () => number) => Body & { life?: Partial<Life> }> = {
  'plain noise': () => ({}),
  'noise that lingers': () => ({ life: { memory: 0.99 } }),
  'a cache that fills and levels off': (random) => {
    const size = (0.1 + 0.2 * random()) * BASE_RSS;
    const tau = (0.2 + 4 * random()) * HOUR;
    return { heap: (ms) => BASE.heap + size * (1 - Math.exp(-ms / tau)) };
  },
  'a cache that fills straight and is full': (random) => {
    const size = (0.1 + 0.2 * random()) * BASE_RSS;
    const fullAt = (0.5 + 6 * random()) * HOUR;
    return { heap: (ms) => BASE.heap + size * Math.min(1, ms / fullAt) };
  },
  'a sawtooth': (random) => ({ life: { gcMs: (0.1 + 3 * random()) * HOUR, garbage: (0.3 + 0.7 * random()) * BASE_RSS } }),
  'a startup ramp': (random) => {
    const size = (0.3 + random()) * BASE_RSS;
    const overAt = (1 + 14 * random()) * MINUTE;
    return { heap: (ms) => BASE.heap - 20 * MB + size * Math.min(1, ms / overAt) };
  },
  'a step at a deploy': (random) => {
    const size = (0.2 + 0.8 * random()) * BASE_RSS;
    const stepAt = (1 + 20 * random()) * HOUR;
    const takes = 3 * MINUTE * random() + 1;
    return { heap: (ms) => BASE.heap + size * Math.min(1, Math.max(0, (ms - stepAt) / takes)) };
  },
  'a daily wave': (random) => {
    const swing = (0.1 + 0.25 * random()) * BASE_RSS;
    const phase = 2 * Math.PI * random();
    return { heap: (ms) => BASE.heap + (swing / 2) * (1 - Math.cos((2 * Math.PI * ms) / (24 * HOUR) + phase)) };
  },
};

/** When resident memory has first been at or above the limit for 30 s, as a restart limit's `for` asks; milliseconds. */
export function reachedAt(body: Body, life: Life, limitBytes: number): number {
  let since: number | null = null;
  for (const { at, treeRss } of samplesOf(body, life)) {
    if (treeRss < limitBytes) since = null;
    else since ??= at;
    if (since !== null && at - since >= 30 * SECOND) return at;
    if (at > 1000 * HOUR) break;
  }
  throw new Error('it never gets there');
}
