/** Pure: what a terminal can show, by its environment. */
import type { Look } from './cells.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Locales as in locale(7); https://no-color.org. The Linux console is UTF-8, and its font lacks the blocks. */
export function lookOf(env: Environment, { isTTY, platform }: { isTTY: boolean; platform: string }): Look {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  const isUtf8 = platform === 'win32' || platform === 'darwin' || /utf-?8/i.test(locale);
  return { unicode: isUtf8 && env['TERM'] !== 'linux', color: isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb' };
}

/** Whether the cursor can be moved, and somebody sits at the keyboard. */
export function isInteractive(env: Environment, { input, output }: { input: boolean; output: boolean }): boolean {
  return input && output && env['TERM'] !== 'dumb';
}
