import { dirname, isAbsolute, resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { holdsTooMuch } from '../../json-size.js';
import { TooLarge } from '../../own-files.js';
import { printable } from '../../printable.js';
import { textOf } from './app-file.js';
import { originalsOf, type Original } from './mappings.js';
import { ANONYMOUS, type CallFrame, type Locate, type Place } from './suspects.js';

/** Files whose maps are looked for. */
const MOST_FILES = 200;
/** Bytes of a script, or of its map: 0.4 s of the event loop and 64 MB of heap at worst. */
const LARGEST_FILE = 16e6;
/** Bytes of all of them: 0.8 s, of the 5 s that evidence may take. */
const LARGEST_SUM = 32e6;
const REFERENCE = /^[ \t]*\/\/[#@][ \t]*sourceMappingURL=([^\s'"]+)[ \t]*$/gm;

export interface LocatorOptions {
  /** What V8 says of a script's map, by the script's URL, where it was asked; of others the file itself is read. */
  mapUrls?: ReadonlyMap<string, string>;
  /** Is told, in a sentence without an end, of files that were too large. */
  tell?(note: string): void;
}

/**
 * How to tell where these frames stand in the sources that their scripts were made from. One map at a time is in
 * memory. Never rejects: without a map, or with a bad one, a position stays as V8 has it.
 */
export async function sourceLocator(frames: Iterable<CallFrame>, options: LocatorOptions = {}): Promise<Locate> {
  const { mapUrls, tell } = options;
  const places = new Map<string, Omit<Place, 'name'>>();
  const keyOf = ({ url, lineNumber, columnNumber }: CallFrame): string => `${lineNumber}:${columnNumber}:${url}`;
  const tooLarge: string[] = [];
  const reader = new Reader();
  for (const [url, those] of [...framesByUrl(frames)].slice(0, MOST_FILES)) {
    const file = fileOf(url);
    if (file === null || !isAbsolute(file) || /[\\/]node_modules[\\/]/.test(file)) continue;
    try {
      const { text, folder } = await mapOf(file, mapUrls?.get(url), reader);
      const originals = originalsOf(parsed(text), those);
      for (const [frame, original] of originals) places.set(keyOf(frame), placeOf(original, folder));
    } catch (error) {
      if (error instanceof TooLarge) tooLarge.push(printable(file));
    }
    await turn(); // a map that stands in what V8 has told is read without one
  }
  if (tooLarge.length > 0) tell?.(noteOf(tooLarge));
  return (frame) => {
    const { functionName, url, lineNumber, columnNumber } = frame;
    const name = functionName || (url === '' ? '(V8)' : ANONYMOUS);
    const plain = { file: fileOf(url), line: lineNumber + 1, column: columnNumber + 1 };
    const { file, line, column } = places.get(keyOf(frame)) ?? plain;
    return { name: printable(name), file: file && printable(file), line, column };
  };
}

function framesByUrl(frames: Iterable<CallFrame>): Map<string, CallFrame[]> {
  const byUrl = new Map<string, CallFrame[]>();
  for (const frame of frames) {
    const known = byUrl.get(frame.url);
    if (known) known.push(frame);
    else byUrl.set(frame.url, [frame]);
  }
  return byUrl;
}

interface MapText {
  text: string;
  /** What its sources are relative to. */
  folder: string;
}

/** Throws an Error where there is no such map. */
async function mapOf(file: string, told: string | undefined, reader: Reader): Promise<MapText> {
  const reference = told || lastReference(await reader.textOf(file));
  if (!reference) throw new Error('it has none');
  const data = /^data:application\/json[^,]*?(;base64)?,(.*)$/s.exec(reference);
  const path = data ? file : resolve(dirname(file), fileOf(reference) ?? reference);
  const text = data ? reader.decoded(data[2]!, data[1] ? 'base64' : 'utf8') : await reader.textOf(path);
  return { text, folder: dirname(path) };
}

/** Not gathered first: a script may be a million of them. */
function lastReference(script: string): string | undefined {
  let last: string | undefined;
  for (const [, reference] of script.matchAll(REFERENCE)) last = reference;
  return last;
}

/** Reads what one evidence needs, within its budget. */
class Reader {
  #left = LARGEST_SUM;

  /** Throws as `textOf` does. */
  async textOf(path: string): Promise<string> {
    const text = await textOf(path, Math.min(LARGEST_FILE, this.#left));
    this.#left -= text.length;
    return text;
  }

  /** What a data URL holds, percent-encoded. Throws an Error, and TooLarge. */
  decoded(data: string, encoding: 'base64' | 'utf8'): string {
    if (data.length > Math.min(LARGEST_FILE, this.#left)) throw new TooLarge(this.#left);
    this.#left -= data.length;
    return Buffer.from(decodeURIComponent(data), encoding).toString();
  }
}

/** `mappings` is one string, so that what it holds is no value. Throws an Error. */
function parsed(text: string): unknown {
  if (holdsTooMuch(text)) throw new Error('no source map holds so much');
  return JSON.parse(text);
}

function placeOf({ source, line, column }: Original, folder: string): Omit<Place, 'name'> {
  const file = fileOf(source) ?? source;
  const isPath = !/^[a-z][a-z0-9+.-]+:/i.test(file); // webpack://app/./src/cache.ts stays as it is
  return { file: isPath ? resolve(folder, file) : file, line: line + 1, column: column + 1 };
}

function noteOf([first, ...others]: readonly string[]): string {
  const files = others.length > 0 ? `${first} and ${others.length} more` : first;
  return `positions in ${files} are those of the script that ran: it, or its source map, was too large to be read`;
}

/** V8 knows CommonJS modules by their path, and ES modules by their URL. Null for what is no script's. */
function fileOf(url: string): string | null {
  if (url === '') return null;
  try {
    return url.startsWith('file:') ? fileURLToPath(url) : url;
  } catch {
    return url;
  }
}
