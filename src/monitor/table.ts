/** Pure: tables for people. */
import { clean, fit, paint, widthOf, type Align, type Look, type Style } from './cells.js';

export interface Cell {
  text: string;
  style?: Style | null;
}

export interface Column {
  title: string;
  align?: Align;
  cells: readonly Cell[];
  /** At most so many terminal cells; without it, as wide as its widest. */
  most?: number;
}

/** A line for the titles, one for each row; the columns two spaces apart, as wide as they need to be. */
export function tableLines(columns: readonly Column[], look: Look): string[] {
  const shown = columns.map(({ title, align = 'left', cells, most = Infinity }) => {
    const texts = cells.map(({ text }) => clean(text, look));
    const width = Math.min(most, texts.reduce((widest, text) => Math.max(widest, widthOf(text)), widthOf(title)));
    return { title, align, width, cells: cells.map(({ style = null }, i) => ({ text: texts[i]!, style })) };
  });
  const line = (cell: (column: (typeof shown)[number]) => { text: string; style: Style | null }): string =>
    shown
      .map((column, i) => {
        const { text, style } = cell(column);
        const fitted = fit(text, column.width, look, column.align);
        return paint(i === shown.length - 1 ? fitted.trimEnd() : fitted, style, look);
      })
      .join('  ')
      .trimEnd();
  const count = columns[0]?.cells.length ?? 0;
  return [
    line(({ title }) => ({ text: title, style: 'soft' })),
    ...Array.from({ length: count }, (_, i) => line(({ cells }) => cells[i]!)),
  ];
}
