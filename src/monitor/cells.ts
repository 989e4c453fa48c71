/** Pure: text in the cells of a terminal. What apps are called is not ours, and may not move the cursor. */

/** What the terminal can show. */
export interface Look {
  /** Without it, nothing but ASCII. */
  unicode: boolean;
  color: boolean;
}

/** What terminals do not agree on: joiners, direction marks and tags, presentation, tones of skin. */
const DROPPED = /[\p{Cf}\u{fe00}-\u{fe0f}\u{e0100}-\u{e01ef}]|\p{Emoji_Modifier}/gu;
/** Flags are pairs of letters, one or two cells wide each. */
const FLAG_LETTER = /[\u{1f1e6}-\u{1f1ff}]/gu;
const FLAG_OFFSET = 0x1f1e6 - 0x41;
/** Control characters, lone surrogates, private use, and what this Node.js does not know. */
const UNSHOWN = /[\p{C}\p{Zl}\p{Zp}]/gu;
const STACKED_MARKS = /(\p{M}{2})\p{M}+/gu;
const ASCII_WORDS: Readonly<Record<string, string>> = { '→': '->', '–': '-', '·': '|', '…': '...', '×': 'x' };

/** One line that is as wide as `widthOf` says, whatever the text was. */
export function clean(text: string, { unicode }: Pick<Look, 'unicode'>): string {
  const shown = text
    .normalize('NFC')
    .replace(DROPPED, '')
    .replace(FLAG_LETTER, (letter) => String.fromCodePoint(letter.codePointAt(0)! - FLAG_OFFSET))
    .replace(/\p{Zs}/gu, ' ')
    .replace(UNSHOWN, '\ufffd')
    .replace(STACKED_MARKS, '$1');
  return unicode ? shown : shown.replace(/\P{ASCII}/gu, (character) => ASCII_WORDS[character] ?? '?');
}

/** East Asian Width W and F (https://www.unicode.org/reports/tr11/), and emoji. */
const WIDE =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{17000}-\u{18cff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]/u;
const NO_WIDTH = /[\p{Mn}\p{Me}\u1160-\u11ff]/u;

const cellsOf = (character: string): number => (NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1);

/** In cells; of cleaned text. */
export function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += cellsOf(character);
  return width;
}

export type Align = 'left' | 'right';

/** Exactly `width` cells; what does not fit is cut, and the cut is shown. */
export function fit(text: string, width: number, look: Pick<Look, 'unicode'>, align: Align = 'left'): string {
  const cut = cutTo(text, width, look);
  const space = ' '.repeat(Math.max(0, width - widthOf(cut)));
  return align === 'left' ? cut + space : space + cut;
}

/** At most `width` cells. */
export function cutTo(text: string, width: number, { unicode }: Pick<Look, 'unicode'>): string {
  if (widthOf(text) <= width) return text;
  if (width <= 0) return '';
  return head(text, width - 1) + (unicode ? '…' : '~');
}

function head(text: string, width: number): string {
  let [kept, room] = ['', width];
  for (const character of text) {
    room -= cellsOf(character);
    if (room < 0) break;
    kept += character;
  }
  return kept;
}

/** In lines of at most `width` cells, broken at spaces where there are any; at most `most`, of which the last is cut. */
export function wrap(text: string, width: number, most: number, look: Pick<Look, 'unicode'>): string[] {
  if (width <= 0 || most <= 0) return [];
  const lines: string[] = [];
  let rest = text;
  while (widthOf(rest) > width && lines.length < most - 1) {
    const fitting = head(rest, width + 1);
    const space = fitting.lastIndexOf(' ');
    const line = space > 0 ? fitting.slice(0, space) : head(rest, width);
    if (line === '') break; // one cell, and a character of two
    lines.push(line);
    rest = rest.slice(line.length).trimStart();
  }
  return [...lines, cutTo(rest, width, look)];
}

export type Style = 'good' | 'notice' | 'warning' | 'critical' | 'down' | 'soft' | 'strong' | 'selected';

/** Select Graphic Rendition: https://www.ecma-international.org/publications-and-standards/standards/ecma-48/ */
const SGR: Record<Style, string> = {
  good: '32', notice: '36', warning: '33', critical: '1;31', down: '1;35', soft: '2', strong: '1', selected: '1;7',
};

export function paint(text: string, style: Style | null, { color }: Pick<Look, 'color'>): string {
  return color && style !== null && text !== '' ? `\x1b[${SGR[style]}m${text}\x1b[0m` : text;
}
