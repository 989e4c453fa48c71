import { Registry, type RegistryContentType } from 'prom-client';
import { Slices } from '../observe/slices.js';
import { ENDS, SEPARATORS, headOf, LineMaker, type Exposition, type LabelTexts } from './exposition.js';
import { gauge, seconds, type Family } from './family.js';

export interface Collector {
  name: string;
  collect(): Iterable<Family> | Promise<Iterable<Family>>;
}

/** How a look that was made between two scrapes went; published beside the collectors'. */
export interface PastLook {
  success: boolean;
  durationMs: number;
}

export type { Exposition } from './exposition.js';

export const CONTENT_TYPES: Record<Exposition, RegistryContentType> = {
  text: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};

/**
 * All collectors' families as one page in UTF-8, written in slices: a fleet has tens of thousands of series, and whoever
 * else needs the event loop must not wait for them all. A collector that fails costs its own families and no others.
 */
export async function render(
  collectors: readonly Collector[],
  pastLooks: ReadonlyMap<string, PastLook>,
  exposition: Exposition,
  onFailure: (collector: string, error: unknown) => void,
): Promise<Buffer> {
  const page = new Page(exposition);
  const looks = new Map(pastLooks);
  for (const { name, collect } of collectors) {
    const startedAt = performance.now();
    let success = true;
    try {
      await page.add(await collect());
    } catch (error) {
      success = false;
      onFailure(name, error);
    }
    looks.set(name, { success, durationMs: performance.now() - startedAt });
  }
  await page.add(lookFamilies(looks));
  return page.bytes();
}

/** Characters that become bytes at once: V8 puts off the joining of what is added up, and then does it in one go. */
const PIECE = 65_536;

class Page {
  readonly #exposition: Exposition;
  readonly #slices = new Slices();
  readonly #names = new Set<string>();
  readonly #texts: LabelTexts = new Map();
  #pieces: Buffer[] = [];

  constructor(exposition: Exposition) {
    this.#exposition = exposition;
  }

  /** All of them or, where one throws, none. */
  async add(families: Iterable<Family>): Promise<void> {
    const pieces: Buffer[] = [];
    const names = new Set<string>();
    let text = '';
    for (const family of families) {
      const { name } = family;
      const isTaken = this.#names.has(name) || names.has(name);
      if (isTaken) throw new Error(`A metric with the name ${name} has already been registered.`);
      if (this.#names.size + names.size > 0) text += SEPARATORS[this.#exposition];
      names.add(name);
      const lines = new LineMaker(family, this.#exposition, this.#texts);
      text += headOf(family, this.#exposition);
      for (const sample of family.values) {
        text += lines.line(sample);
        if (text.length >= PIECE) {
          pieces.push(Buffer.from(text));
          text = '';
        }
        if (this.#slices.isOver()) await this.#slices.next();
      }
    }
    pieces.push(Buffer.from(text));
    for (const name of names) this.#names.add(name);
    this.#pieces = this.#pieces.concat(pieces);
  }

  bytes(): Buffer {
    return Buffer.concat([...this.#pieces, Buffer.from(ENDS[this.#exposition])]);
  }
}

function lookFamilies(looks: ReadonlyMap<string, PastLook>): Family[] {
  const all = [...looks];
  return [
    gauge(
      'heapwarden_collector_duration_seconds',
      'How long a collector took.',
      all.map(([collector, { durationMs }]) => ({ labels: { collector }, value: seconds(durationMs) })),
    ),
    gauge(
      'heapwarden_collector_success',
      '1 where a collector succeeded, 0 where it failed.',
      all.map(([collector, { success }]) => ({ labels: { collector }, value: success ? 1 : 0 })),
    ),
  ];
}
