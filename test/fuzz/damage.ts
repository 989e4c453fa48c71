/** Texts and bytes that look like something real, and are not quite. */
import * as fc from 'fast-check';

const pieces = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(
    '', '\n', '\r\n', '\0', '\u2028', '\ufeff', '"', "'", '{', '}', '[', ']', ':', ' ', '-', '- ', '#', '&a ', '*a', '<<: ', '!!js ', '? ', '| ', '\t',
    '__proto__', 'constructor', 'null', 'true', '-1', '0', '1e999', 'NaN', '9007199254740993', '99999999999999999999', '%', '1d', '5/1h', '..', '/', '\\',
  ),
);

/** What is cut out at `at`, of length `cut`, and what is put in its place; places as shares of the whole. */
const edits = fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat({ max: 20 }), put: pieces }), { maxLength: 6 });

/** One of the texts, damaged in a few places, or not at all. */
export const damagedText = (texts: readonly string[]): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(...texts), edits).map(([text, all]) =>
    all.reduce((so, { at, cut, put }) => {
      const place = Math.floor(at * so.length);
      return so.slice(0, place) + put + so.slice(place + cut);
    }, text),
  );

export const damagedBytes = (files: readonly Buffer[]): fc.Arbitrary<Buffer> =>
  damagedText(files.map((file) => file.toString('latin1'))).map((text) => Buffer.from(text, 'latin1'));

export const anyText: fc.Arbitrary<string> = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'binary', maxLength: 200 }), fc.json());

/** A value of JSON, with the keys that a reader looks for among the others. */
export const jsonWith = (keys: readonly string[], values: readonly unknown[] = []): fc.Arbitrary<unknown> =>
  fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constantFrom<unknown>(null, true, false, 0, -1, 1, 1.5, 1e308, 2 ** 53, '', '0', 'x', '\n', ...values),
      fc.string({ maxLength: 10 }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.oneof({ arbitrary: fc.constantFrom(...keys), weight: 8 }, fc.string({ maxLength: 5 })), tie('value'), { maxKeys: 8 }),
    ),
  })).value;
