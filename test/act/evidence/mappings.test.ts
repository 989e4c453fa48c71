import { SourceMap, type SourceMapPayload } from 'node:module';
import t from 'tap';
import { originalsOf } from '../../../src/act/evidence/mappings.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function vlq(value: number): string {
  let [text, rest] = ['', value < 0 ? -value * 2 + 1 : value * 2];
  for (; rest >= 32; rest = Math.floor(rest / 32)) text += ALPHABET[(rest % 32) + 32];
  return text + ALPHABET[rest];
}

/** The same on every run. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => (state = (state * 48_271) % 2_147_483_647) % sides;
}

/** Lines with and without segments; those are of one number, four or five. */
function mapOf(roll: (sides: number) => number): SourceMapPayload {
  const sources = ['a.ts', 'b.ts', 'c.ts'];
  const at = { source: 0, line: 0, column: 0, name: 0 };
  const move = (key: keyof typeof at, to: number): string => {
    const step = vlq(to - at[key]);
    at[key] = to;
    return step;
  };
  const segment = (first: boolean): string => {
    const generated = vlq(roll(first ? 3 : 40) + (first ? 0 : 1));
    if (roll(8) === 0) return generated;
    const original = move('source', roll(3)) + move('line', roll(3000)) + move('column', roll(200));
    return generated + original + (roll(3) === 0 ? move('name', roll(100)) : '');
  };
  const line = (): string => Array.from({ length: roll(12) }, (_, i) => segment(i === 0)).join(',');
  // Of a last segment of one number, with nothing behind it, Node reads more than there is: a line without any ends it.
  const mappings = `${Array.from({ length: 30 }, line).join(';')};`;
  return { version: 3, file: '', sources, names: [], sourcesContent: [], sourceRoot: '', mappings } as never;
}

const POSITIONS = Array.from({ length: 2000 }, (_, i) => ({ lineNumber: Math.floor(i / 50), columnNumber: (i % 50) * 3 }));

/** What Node's own decoder, which keeps every segment, says of a position. */
function byNode(map: SourceMap, { lineNumber, columnNumber }: (typeof POSITIONS)[number]): object | undefined {
  const entry = map.findEntry(lineNumber, columnNumber);
  if (!('originalSource' in entry) || entry.originalSource === undefined) return undefined;
  return { source: entry.originalSource, line: entry.originalLine, column: entry.originalColumn };
}

t.test('it says what Node says', async (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    const roll = dice(seed);
    const map = mapOf(roll);
    const found = originalsOf(map, POSITIONS);
    const node = new SourceMap(map);
    t.ok(found.size > 1000, `${found.size} are told`);
    t.strictSame(POSITIONS.map((position) => found.get(position)), POSITIONS.map((position) => byNode(node, position)), `seed ${seed}`);
  }
});

t.test('sources are below the root that the map names', async (t) => {
  const source = (sourceRoot: unknown) => {
    const [found] = originalsOf({ version: 3, sourceRoot, sources: ['cache.ts'], names: [], mappings: 'AAAA' }, [POSITIONS[0]!]).values();
    return found?.source;
  };
  t.equal(source('../src/'), '../src/cache.ts', 'as tsc writes it');
  t.equal(source('/app/src'), '/app/src/cache.ts');
  t.equal(source('/'), '/cache.ts');
  for (const none of ['', null, undefined, 7]) t.equal(source(none), 'cache.ts', String(none));
});

t.test('a map in sections, each from its offset on and no further', async (t) => {
  const section = (line: number, column: number, source: string) => {
    const map = { version: 3, sources: [source], names: [], mappings: 'AAAA,EAAE' };
    return { offset: { line, column }, map };
  };
  const map = { version: 3, sections: [section(0, 4, 'one.ts'), section(3, 0, 'two.ts')] };
  const at = (lineNumber: number, columnNumber: number) => [...originalsOf(map, [{ lineNumber, columnNumber }]).values()][0];
  t.equal(at(0, 3), undefined, 'before the first');
  t.strictSame(at(0, 4), { source: 'one.ts', line: 0, column: 0 });
  t.strictSame(at(0, 6), { source: 'one.ts', line: 0, column: 2 });
  t.strictSame(at(2, 9), { source: 'one.ts', line: 0, column: 2 });
  t.strictSame(at(3, 1), { source: 'two.ts', line: 0, column: 0 });
  t.strictSame(at(99, 1), { source: 'two.ts', line: 0, column: 2 });
});

t.test('what is no map', async (t) => {
  const none = [
    null, 7, [], {}, { mappings: 'AAAA' }, { sections: [null, {}, { offset: 1, map: 2 }] },
    ...['a.ts', [1], ['x'.repeat(1001)]].map((sources) => ({ sources, mappings: 'AAAA' })),
  ];
  for (const map of none) t.equal(originalsOf(map, POSITIONS).size, 0, JSON.stringify(map)?.slice(0, 50));
  t.equal(originalsOf({ sources: ['x'.repeat(1000)], mappings: 'AAAA' }, POSITIONS).size, POSITIONS.length);
  for (const mappings of ['!', 'AAA', 'AAAA,g', 'AAAA,é']) t.throws(() => originalsOf({ sources: ['a.ts'], mappings }, POSITIONS), mappings);
});
