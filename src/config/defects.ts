import type { ErrorObject } from 'ajv';
import type { ConfigProblem } from '../errors.js';
import type { Origins } from './checks.js';
import { messageOfDefect } from './messages.js';

/** Without what only follows from another error of the same value. */
export function withoutConsequences(all: readonly ErrorObject[]): ErrorObject[] {
  const errors = all.filter(({ schemaPath }) => !schemaPath.includes('/anyOf/')); // `anyOf` itself says all there is
  const having = (word: string) =>
    new Set(errors.filter(({ keyword }) => keyword === word).map(({ instancePath }) => instancePath));
  const mistyped = having('type');
  const misspelt = having('additionalProperties');
  return errors.filter(({ keyword, instancePath, data }) => {
    if (keyword !== 'type' && mistyped.has(instancePath)) return false;
    // A misspelt choice is a choice: with `pm3: shop` there is nothing more to tell.
    return !(keyword === 'exactlyOne' && misspelt.has(instancePath) && Object.keys(data as object).length === 1);
  });
}

/** The problem of one error; none where another place is told of it. */
export function problemOf(error: ErrorObject, { source, originOf }: Pick<Origins, 'source' | 'originOf'>): ConfigProblem[] {
  // JSON pointer: RFC 6901.
  const path = error.instancePath.split('/').slice(1).map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const key = keyAtFault(error);
  const origin = originOf(key === undefined ? path : [...path, key]);
  // What stands in `defaults` is judged once, there, and not again in each app that takes it.
  if (path[0] === 'apps' && origin[0] === 'defaults') return [];
  return [source.problem(origin, messageOfDefect(error, path), key === undefined ? 'value' : 'key')];
}

/** The key that is one too many, where an error is about such a key rather than about the whole value. */
function keyAtFault({ keyword, params, data, parentSchema }: ErrorObject): string | undefined {
  if (keyword === 'additionalProperties') return String(params['additionalProperty']);
  if (keyword !== 'exactlyOne') return undefined;
  const choices = parentSchema?.['exactlyOne'] as string[];
  return Object.keys(data as object).filter((key) => choices.includes(key))[1];
}
