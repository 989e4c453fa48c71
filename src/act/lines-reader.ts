import type { FileHandle } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';

/** Takes the lines of a file one after the other, and holds what is still needed of them. */
export interface LinesReader {
  /** A line without its end; never an empty one. */
  add(line: string): void;
  /** What is still needed, as whole lines. */
  needed(): string;
}

/** Bytes that are read at a time. */
const PIECE_BYTES = 2 ** 20;

/**
 * From the file's beginning, wherever it has got to; it stays open. Never has the whole of it in memory. Resolves with
 * whether it ends in half a line, which is read, too. Throws Node's errors.
 */
export async function readLines(file: FileHandle, reader: LinesReader): Promise<{ isTorn: boolean }> {
  const decoder = new StringDecoder('utf8');
  const piece = Buffer.alloc(PIECE_BYTES);
  let rest = '';
  for (let at = 0, read = Infinity; read > 0; at += read) {
    ({ bytesRead: read } = await file.read(piece, 0, PIECE_BYTES, at));
    const text = decoder.write(piece.subarray(0, read));
    const end = text.lastIndexOf('\n') + 1;
    if (end > 0) readText(rest + text.slice(0, end), reader);
    rest = (end > 0 ? '' : rest) + text.slice(end);
  }
  rest += decoder.end(); // half a character
  readText(rest, reader);
  return { isTorn: rest !== '' };
}

export function readText<R extends Pick<LinesReader, 'add'>>(text: string, reader: R): R {
  for (const line of text.split('\n')) if (line !== '') reader.add(line);
  return reader;
}
