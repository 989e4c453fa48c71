import { readFileSync, writeFileSync } from 'node:fs';

/** Replaces each text in a copy of a shipped file; throws where the file no longer has it. */
export function edit(file: string, changes: Record<string, string>): void {
  let text = readFileSync(file, 'utf8');
  for (const [from, to] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`${file} no longer says "${from}"`);
    text = text.replaceAll(from, to);
  }
  writeFileSync(file, text);
}
