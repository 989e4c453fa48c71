/** Pure: problems of a file with secrets in it, for a log that others may read. */
import type { YAMLError } from 'yaml';
import type { ConfigProblem } from '../../errors.js';

/** Of yaml's ErrorCode those whose messages are always the same words; the others may quote the text, or a part of it. */
const PLAIN: ReadonlySet<YAMLError['code']> = new Set([
  'ALIAS_PROPS', 'BAD_INDENT', 'BAD_PROP_ORDER', 'BAD_SCALAR_START', 'BLOCK_AS_IMPLICIT_KEY', 'BLOCK_IN_FLOW', 'DUPLICATE_KEY', 'KEY_OVER_1024_CHARS',
  'MISSING_CHAR', 'MULTILINE_IMPLICIT_KEY', 'MULTIPLE_ANCHORS', 'MULTIPLE_TAGS', 'NON_STRING_KEY', 'RESOURCE_EXHAUSTION', 'TAB_AS_INDENT',
]);

/** The line without its value; of a line without a key, nothing. The column stays, for the editor. */
export function concealed(problem: ConfigProblem): ConfigProblem {
  const [key = ''] = /^\s*(?:- )?(?:[\w.@-]+|"[^"]*"|'[^']*')\s*:(?=\s|$)/.exec(problem.source) ?? [];
  return { ...problem, source: key === '' ? '…' : `${key} …` };
}

/** What may be told of an error of the parser: its words, or their kind (`UNEXPECTED_TOKEN`). */
export function plainWords({ code, message }: YAMLError): string {
  return PLAIN.has(code) ? message : code;
}

/** Names of anchors, which our own messages quote. */
export function withoutQuotes(message: string): string {
  return message.replace(/"(?:[^"\\]|\\.)*"?/g, '"…"');
}
