/** What a command line runs. Pure. */
import { basename } from 'node:path';
import { packageManager } from '../../agent/package-manager.cjs';

const SHELLS = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'fish']);
/** Options of node that take the next word where there is no `=`: nodejs.org/api/cli.html. */
const WITH_VALUE = new Set(['-r', '--require', '--import', '--loader', '--experimental-loader', '-C', '--conditions', '--env-file']);
/** After these comes code, not a script. */
const CODE = new Set(['-e', '--eval', '-p', '--print', '-pe', '-']);

/** `npm`, `yarn`, `sh`, … where that is what it starts, by itself or as a script of node's; null for anything else. */
export function wrapperOf(words: readonly string[]): string | null {
  const name = basename(words[0] ?? '').replace(/^-/, ''); // a login shell's name begins with a dash
  if (SHELLS.has(name)) return name;
  return packageManager(name) ?? packageManager(nodeScript(words)?.script ?? '');
}

export interface NodeScript {
  options: string[];
  script: string;
  args: string[];
}

/** null where it is not node, or runs no script. */
export function nodeScript(words: readonly string[]): NodeScript | null {
  if (!/^node(?:js)?$/.test(basename(words[0] ?? ''))) return null;
  for (let at = 1; at < words.length; at++) {
    const word = words[at]!;
    if (CODE.has(word)) return null;
    if (!word.startsWith('-')) return { options: words.slice(1, at), script: word, args: words.slice(at + 1) };
    if (WITH_VALUE.has(word)) at++;
  }
  return null;
}

/** As a person would type it. */
export function shellText(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`)).join(' ');
}
