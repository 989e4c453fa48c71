import t from 'tap';
import { clean, cutTo, fit, paint, widthOf, wrap } from '../../src/monitor/cells.js';
import { HOSTILE, PLAIN } from './support.js';

const ASCII = { unicode: false };

t.test('nothing that moves the cursor gets through, and nothing whose width terminals disagree on', async (t) => {
  for (const [text, shown, ascii] of [
    ['shop', 'shop', 'shop'],
    ['a\x1b[31mb\r\nc\td', 'a\ufffd[31mb\ufffd\ufffdc\ufffdd', 'a?[31mb??c?d'],
    ['\u009b2J\u2028\u2029', '\ufffd2J\ufffd\ufffd', '?2J??'],
    ['a\u202eb\u200bc\ufeffd\u00ade', 'abcde', 'abcde'],
    ['👩‍👩‍👧 👍🏽 ❤️ 🇩🇪', '👩👩👧 👍 ❤ DE', '??? ? ? DE'],
    ['z\u0301\u0302\u0303\u0304', 'ź\u0302\u0303', '???'],
    ['e\u0301', 'é', '?'],
    ['\ud800x\ue000\u{10ffff}', '\ufffdx\ufffd\ufffd', '?x??'],
    ['a\u00a0b\u3000c', 'a b c', 'a b c'],
    ['a → b – c…', 'a → b – c…', 'a -> b - c...'],
  ] as const) {
    t.equal(clean(text, PLAIN), shown);
    t.equal(clean(text, ASCII), ascii);
  }
});

t.test('width in cells', async (t) => {
  for (const [text, width] of [['', 0], ['shop', 4], ['中文', 4], ['💣', 2], ['é', 1], ['z\u0301', 1], ['한글', 4], ['ｱ', 1], ['Ａ', 2], ['❤', 1], ['█▁', 2]] as const) {
    t.equal(widthOf(text), width, text);
  }
});

t.test('exactly so many cells, also where a wide character is cut in the middle', async (t) => {
  t.equal(fit('shop', 6, PLAIN), 'shop  ');
  t.equal(fit('shop', 6, PLAIN, 'right'), '  shop');
  t.equal(fit('a shop', 4, PLAIN), 'a s…');
  t.equal(fit('a shop', 4, ASCII), 'a s~');
  t.equal(fit('中文字', 4, PLAIN), '中… ');
  t.equal(cutTo('shop', 0, PLAIN), '');
  const text = clean(HOSTILE, PLAIN);
  for (let width = 0; width < 60; width++) t.equal(widthOf(fit(text, width, PLAIN)), width);
});

t.test('lines', async (t) => {
  t.strictSame(wrap('one two three', 7, 9, PLAIN), ['one two', 'three']);
  t.strictSame(wrap('one two three', 7, 1, PLAIN), ['one tw…']);
  t.strictSame(wrap('onetwothree', 4, 9, PLAIN), ['onet', 'woth', 'ree']);
  t.strictSame(wrap('中文字', 1, 9, PLAIN), ['…'], 'what no line can hold does not stop it');
  t.strictSame(wrap('one', 0, 9, PLAIN), []);
});

t.test('colour', async (t) => {
  t.equal(paint('x', 'warning', { color: true }), '\x1b[33mx\x1b[0m');
  t.equal(paint('x', 'warning', { color: false }), 'x');
  t.equal(paint('x', null, { color: true }), 'x');
});
