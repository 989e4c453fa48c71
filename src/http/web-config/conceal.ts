/** Pure: problems of a file with secrets in it, for a log that others may read. */
import type { ConfigProblem } from '../../errors.js';

/** The line without its value; of a line without a key, nothing. The column stays, for the editor. */
export function concealed(problem: ConfigProblem): ConfigProblem {
  const [key = ''] = /^\s*(?:- )?(?:[\w.@-]+|"[^"]*"|'[^']*')\s*:(?=\s|$)/.exec(problem.source) ?? [];
  return { ...problem, source: key === '' ? '…' : `${key} …` };
}

/** A parser's message quotes what it did not understand. */
export function withoutQuotes(message: string): string {
  return message.replace(/"(?:[^"\\]|\\.)*"?/g, '"…"');
}
