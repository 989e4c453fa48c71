/**
 * Pure: where some positions come from, by a source map (ECMA-426). Node's own SourceMap keeps every segment of it:
 * 112 MB of heap and half a second for 5 MB of `mappings`. Here they are walked once, and none is kept.
 */
import { isGroup } from '../../config/merge.js';
import type { CallFrame } from './suspects.js';

/** In the script that ran, as V8 has it: both count from 0. */
export type Position = Pick<CallFrame, 'lineNumber' | 'columnNumber'>;

/** In a source by the name that the map has for it: both count from 0. */
export interface Original {
  source: string;
  line: number;
  column: number;
}

/** Characters of a source's name. */
const LONGEST_NAME = 1000;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** By the character's code. */
const DIGITS = Int8Array.from({ length: 128 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)));
const [COMMA, SEMICOLON] = [','.charCodeAt(0), ';'.charCodeAt(0)];

/**
 * Of each position that the map tells of, what the last segment at it or before it says, as Node has it. `map`: what
 * was parsed. Throws an Error where its mappings are none.
 */
export function originalsOf<P extends Position>(map: unknown, positions: readonly P[]): Map<P, Original> {
  const found = new Map<P, Original>();
  // The next one is the last.
  const left = positions.toSorted((a, b) => b.lineNumber - a.lineNumber || b.columnNumber - a.columnNumber);
  for (const part of partsOf(map)) walk(part, left, found);
  return found;
}

type Point = Pick<Original, 'line' | 'column'>;

/** A map, or a section of one: what it says ends where the next one starts. */
interface Part {
  start: Point;
  end: Point;
  sources: readonly unknown[];
  prefix: string;
  mappings: string;
}

const START: Point = { line: 0, column: 0 };
const END: Point = { line: Infinity, column: 0 };

function partsOf(map: unknown): Part[] {
  if (!isGroup(map)) return [];
  const sections = Array.isArray(map['sections']) ? map['sections'].filter(isGroup) : [{ offset: START, map }];
  const starts = sections.map(({ offset }): Point => {
    const { line, column } = isGroup(offset) ? offset : {};
    return { line: Number(line) || 0, column: Number(column) || 0 };
  });
  return sections.flatMap((section, i) => {
    const { sources, sourceRoot, mappings } = isGroup(section['map']) ? section['map'] : {};
    if (!Array.isArray(sources) || typeof mappings !== 'string') return [];
    return [{ start: starts[i]!, end: starts[i + 1] ?? END, sources, prefix: prefixOf(sourceRoot), mappings }];
  });
}

/** What stands before each source: ECMA-426, DecodeSourceMapSources. */
function prefixOf(sourceRoot: unknown): string {
  if (!isName(sourceRoot) || sourceRoot === '') return '';
  return sourceRoot.endsWith('/') ? sourceRoot : `${sourceRoot}/`;
}

/** Takes from `left` what is before the part's end. */
function walk<P extends Position>({ start, end, sources, prefix, mappings }: Part, left: P[], found: Map<P, Original>): void {
  let [{ line, column }, source, originalLine, originalColumn] = [start, 0, 0, 0];
  let isMapped = false;
  const settleBefore = (line: number, column: number): void => {
    for (let next = left.at(-1); next && isBefore(next, line, column); next = left.at(-1)) {
      const name = sources[source];
      if (isMapped && isName(name)) found.set(next, { source: prefix + name, line: originalLine, column: originalColumn });
      left.pop();
    }
  };
  let at = 0;
  /** A number in base 64, five bits a character, the lowest first; its sign is the lowest of all. */
  const read = (): number => {
    let bits = 0;
    for (let shift = 0; ; shift += 5) {
      const digit = DIGITS[mappings.charCodeAt(at++)] ?? -1;
      if (digit < 0) throw new Error('no mappings');
      bits |= (digit & 31) << shift;
      if (digit < 32) return bits & 1 ? -(bits >>> 1) : bits >>> 1;
    }
  };
  const isWithin = (): boolean => {
    const code = mappings.charCodeAt(at);
    return at < mappings.length && code !== COMMA && code !== SEMICOLON;
  };
  settleBefore(line, column);
  while (at < mappings.length && left.length > 0) {
    if (isWithin()) {
      column += read();
      settleBefore(line, column);
      isMapped = isWithin();
      if (!isMapped) continue;
      source += read();
      originalLine += read();
      originalColumn += read();
      if (isWithin()) read(); // a name, which V8 knows itself
      continue;
    }
    if (mappings.charCodeAt(at++) === SEMICOLON) [line, column] = [line + 1, 0];
  }
  settleBefore(end.line, end.column);
}

/** Each position becomes a path of its own with it. */
const isName = (name: unknown): name is string => typeof name === 'string' && name.length <= LONGEST_NAME;

const isBefore = ({ lineNumber, columnNumber }: Position, line: number, column: number): boolean =>
  lineNumber < line || (lineNumber === line && columnNumber < column);
