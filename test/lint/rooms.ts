/** `npm run lint`: imports run one way through the house, as DESIGN.md draws it; circles are oxlint's. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Lowest first: a file may import from its own row and the rows above it, never from one below. */
const ROWS: readonly (readonly string[])[] = [
  [
    'errors.ts', 'abort.ts', 'clock.ts', 'units.ts', 'log.ts', 'output.ts', 'own-files.ts', 'json-size.ts', 'printable.ts',
    'turns.ts', 'agent',
  ],
  ['logger.ts', 'sparse-log.ts'],
  ['config'],
  ['supervisors'],
  ['observe'],
  ['decide'],
  ['act'],
  ['publish'],
  ['http', 'monitor', 'web'],
  ['relay'],
  ['rooms.ts'],
  ['warden.ts'],
  ['commands'],
  ['cli.ts', 'index.ts'],
];

/** Rooms of one row that still may not look into each other. */
const APART: readonly (readonly [from: string, to: string])[] = [['web', 'monitor'], ['monitor', 'web']];

/** Files with their text, paths relative to src, to the list of what is wrong. Pure. */
export function wrongImports(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([file, text]) => {
    const room = roomOf(file);
    if (rowOf(room) < 0) return [`src/${file}: "${room}" is no room of the house`];
    return importsOf(text).flatMap(({ specifier, line }) => {
      const where = `src/${file}:${line}`;
      if (room === 'agent' && !specifier.startsWith('.')) {
        return specifier.startsWith('node:') ? [] : [`${where}: the agent imports nothing but node: and its own files, not ${specifier}`];
      }
      if (!specifier.startsWith('.')) return [];
      const target = relative('/', resolve('/', dirname(file), specifier)).split(sep).join('/');
      const other = roomOf(target.replace(/\.js$/, '.ts'));
      if (room === 'agent' && other !== 'agent') return [`${where}: the agent imports nothing but node: and its own files, not ${other}`];
      if (rowOf(other) > rowOf(room)) return [`${where}: ${room} may not import from ${other}, which stands above it`];
      if (APART.some(([from, to]) => from === room && to === other)) return [`${where}: ${room} may not import from ${other}`];
      return [];
    });
  });
}

const roomOf = (file: string): string => file.split('/')[0] ?? file;
const rowOf = (room: string): number => ROWS.findIndex((row) => row.includes(room));

function importsOf(text: string): { specifier: string; line: number }[] {
  const pattern = /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s*['"]([^'"]+)['"]|\b(?:import|require)\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(pattern)].map((match) => ({
    specifier: match[1] ?? match[2] ?? match[3]!,
    line: text.slice(0, match.index + match[0].length).split('\n').length,
  }));
}

function readSources(src: string): Map<string, string> {
  const names = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => /\.c?ts$/.test(name));
  return new Map(names.map((name) => [name.split(sep).join('/'), readFileSync(join(src, name), 'utf8')]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wrong = wrongImports(readSources(fileURLToPath(new URL('../../src', import.meta.url))));
  for (const line of wrong) console.error(line);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
