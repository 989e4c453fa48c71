import { SourceMap } from 'node:module';
import { dirname, isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { textOf } from './app-file.js';
import { ANONYMOUS, type CallFrame, type Locate, type Place } from './suspects.js';

/** Files whose maps are looked for. */
const MOST_FILES = 200;
const REFERENCE = /^[ \t]*\/\/[#@][ \t]*sourceMappingURL=([^\s'"]+)[ \t]*$/gm;

/**
 * How to tell where these scripts' functions stand in the sources they were made from. `mapUrls`: what V8 says of a
 * script's map, where it was asked; of others the file itself is read. Never rejects: without a map, or with a bad one,
 * a position stays as V8 has it.
 */
export async function sourceLocator(urls: Iterable<string>, mapUrls: ReadonlyMap<string, string> = new Map()): Promise<Locate> {
  const maps = new Map<string, { map: SourceMap; folder: string }>();
  for (const url of [...new Set(urls)].slice(0, MOST_FILES)) {
    const file = fileOf(url);
    if (file === null || !isAbsolute(file) || /[\\/]node_modules[\\/]/.test(file)) continue;
    const found = await mapOf(file, mapUrls.get(url)).catch(() => null);
    if (found) maps.set(url, found);
  }
  return (frame) => {
    const { functionName, url, lineNumber, columnNumber } = frame;
    const name = functionName || (url === '' ? '(V8)' : ANONYMOUS);
    const plain: Place = { name, file: fileOf(url), line: lineNumber + 1, column: columnNumber + 1 };
    const known = maps.get(url);
    return (known && original(known, frame, name)) ?? plain;
  };
}

function original({ map, folder }: { map: SourceMap; folder: string }, frame: CallFrame, name: string): Place | null {
  const entry = map.findEntry(frame.lineNumber, frame.columnNumber);
  if (!('originalSource' in entry) || typeof entry.originalSource !== 'string') return null;
  const { originalSource, originalLine, originalColumn } = entry;
  const file = fileOf(originalSource) ?? originalSource;
  const isPath = !/^[a-z][a-z0-9+.-]+:/i.test(file); // webpack://app/./src/cache.ts stays as it is
  return { name, file: isPath ? resolve(folder, file) : file, line: originalLine + 1, column: originalColumn + 1 };
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

async function mapOf(file: string, told: string | undefined): Promise<{ map: SourceMap; folder: string } | null> {
  const reference = told || [...(await textOf(file)).matchAll(REFERENCE)].at(-1)?.[1];
  if (!reference) return null;
  const data = /^data:application\/json[^,]*?(;base64)?,(.*)$/s.exec(reference);
  const path = data ? file : resolve(dirname(file), fileOf(reference) ?? reference);
  const text = data ? Buffer.from(decodeURIComponent(data[2]!), data[1] ? 'base64' : 'utf8').toString() : await textOf(path);
  return { map: new SourceMap(JSON.parse(text)), folder: dirname(path) };
}
