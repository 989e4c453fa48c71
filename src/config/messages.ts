import type { ErrorObject } from 'ajv';
import type { Path } from './source.js';

/** What a schema's words mean to a person. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  object: 'a group of keys',
  array: 'a list',
  string: 'text',
  boolean: 'true or false',
  integer: 'a whole number',
};

/** One defect, in words. `path` leads to the value it is about. */
export function messageOfDefect(error: ErrorObject, path: Path): string {
  const { keyword, data, message, parentSchema = {} } = error;
  const params: Readonly<Record<string, unknown>> = error.params;
  const key = keyName(path);
  const must = (what: string) => `${key} must be ${what}, not ${shown(data)}`;
  const isValue = !['additionalProperties', 'required', 'exactlyOne'].includes(keyword);
  if (isValue && data === null) return `${key} has no value; give it one or take the line out`;

  switch (keyword) {
    case 'reading':
      return message ?? '';
    case 'type':
      return must(TYPE_NAMES[String(params['type'])] ?? String(params['type'])) + quotesHint(params['type'], data);
    case 'enum':
      return must(listed(parentSchema['enum'] as string[], 'or'));
    case 'pattern':
    case 'anyOf':
      return must(String(parentSchema['expected']));
    case 'additionalProperties':
      return unknownKey(String(params['additionalProperty']), Object.keys(parentSchema['properties'] as object));
    case 'required':
      return missingKey(String(params['missingProperty']), path, data);
    case 'exactlyOne':
      return wrongChoice(key, parentSchema['exactlyOne'] as string[], data);
    case 'minLength':
    case 'minItems':
      return `${key} must not be empty`;
    case 'maxLength':
      return `${key} must be at most ${String(params['limit'])} characters long`;
    case 'minimum':
      return must(`at least ${String(params['limit'])}`);
    case 'maximum':
      return must(`at most ${String(params['limit'])}`);
    default:
      return `${key} ${message}`;
  }
}

/** A key as a person would say it: within its app or `defaults`, `restart.ready.http`. */
function keyName(path: Path): string {
  if (path.length === 0) return 'the file';
  if (path[0] === 'apps' && path.length === 2) return 'an app';
  const within = path[0] === 'apps' && path.length > 2 ? 2 : path[0] === 'defaults' && path.length > 1 ? 1 : 0;
  return path
    .slice(within)
    .map((step, i) => (/^\d+$/.test(step) ? `[${step}]` : i === 0 ? step : `.${step}`))
    .join('');
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = closest(key, known);
  const help = meant ? `did you mean "${meant}"?` : `known here: ${known.join(', ')}`;
  return `unknown key ${JSON.stringify(key)}; ${help}`;
}

function missingKey(missing: string, path: Path, data: unknown): string {
  if (path[0] !== 'apps' || path.length !== 2) return `${keyName(path)} needs "${missing}"`;
  const { name } = data as { name?: unknown };
  const app = typeof name === 'string' ? `app ${JSON.stringify(name)}` : 'this app';
  return `${app} needs "${missing}"${missing === 'supervisor' ? ', here or in defaults' : ''}`;
}

function wrongChoice(key: string, choices: readonly string[], data: unknown): string {
  const given = choices.filter((choice) => choice in (data as object));
  const needs = `${key} needs exactly one of ${listed(choices, 'and')}`;
  return given.length === 0 ? needs : `${needs}, but has ${listed(given, 'and')}`;
}

// YAML reads 3000 and true as a number and a flag; that text was meant shows only here.
function quotesHint(type: unknown, data: unknown): string {
  return type === 'string' && ['number', 'boolean'].includes(typeof data) ? '; put it in quotes' : '';
}

function listed(words: readonly string[], conjunction: 'and' | 'or'): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`;
}

function shown(data: unknown): string {
  if (Array.isArray(data)) return 'a list';
  if (typeof data === 'object' && data !== null) return 'a group of keys';
  const text = typeof data === 'string' ? JSON.stringify(data) : String(data);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The known key a person most likely meant: one it begins (`warn`), or one few letters away (`limit`). */
function closest(key: string, known: readonly string[]): string | undefined {
  const begun = key.length >= 3 ? known.find((candidate) => candidate.startsWith(key)) : undefined;
  if (begun) return begun;
  return known
    .map((candidate) => ({ candidate, distance: editDistance(key.toLowerCase(), candidate) }))
    .filter(({ distance }) => distance <= Math.ceil(key.length / 3))
    .toSorted((a, b) => a.distance - b.distance)[0]?.candidate;
}

/** Levenshtein's distance: letters added, taken out or changed. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (letter === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1)!;
}
