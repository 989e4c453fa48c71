import { Ajv, type AnySchemaObject, type ErrorObject, type FuncKeywordDefinition } from 'ajv';
import { messageOf } from '../errors.js';
import { READINGS } from './readings.js';
import { ConfigSchema, type Unit } from './schema.js';

/**
 * Holds `root` against the schema (of heapwarden.yml, where no other is given) and, in place, turns texts into values and fills defaults in. What is wrong stays as
 * it was written. Returns every defect.
 */
export function validate(root: unknown, schema: AnySchemaObject = ConfigSchema): ErrorObject[] {
  // The code made here runs once; optimising it takes longer than it gains, and a reload holds the warden up meanwhile.
  const ajv = new Ajv({ allErrors: true, useDefaults: true, verbose: true, code: { optimize: false } });
  ajv.addVocabulary(['least', 'most', 'expected']);
  ajv.addKeyword({
    keyword: 'exactlyOne',
    type: 'object',
    schemaType: 'array',
    errors: false,
    validate: (keys: string[], data: object) => keys.filter((key) => key in data).length === 1,
  });
  ajv.addKeyword({ keyword: 'unit', modifying: true, schemaType: 'string', compile: readerOf });
  const accepts = ajv.compile(schema);
  return accepts(root) ? [] : (accepts.errors ?? []);
}

type Reader = ReturnType<NonNullable<FuncKeywordDefinition['compile']>>;

/** The keyword `unit`: reads a text and puts the value in its place. Errors of `reading` are whole sentences. */
function readerOf(unit: Unit, schema: AnySchemaObject): Reader {
  const { read, what, like } = READINGS[unit];
  const { least, most } = schema as { least?: string; most?: string };
  const lowest = least === undefined ? -Infinity : Number(read(least));
  const highest = most === undefined ? Infinity : Number(read(most));

  const fail = (keyword: string, message: string, params = {}) => {
    reader.errors = [{ keyword, message, params }];
    return false;
  };
  const reader: Reader = (data: unknown, context) => {
    if (typeof data !== 'string' && typeof data !== 'number') {
      return fail('type', `must be ${what}`, { type: `${what} such as ${like}` });
    }
    let value: unknown = null;
    let why = '';
    try {
      value = read(String(data));
    } catch (error) {
      why = ` (${messageOf(error).replace(/^CronPattern: /, '')})`;
    }
    if (value === null) {
      const written = typeof data === 'string' ? JSON.stringify(data) : data;
      return fail('reading', `${written} is not ${what}${why}; write it like ${like}`);
    }
    if (typeof value === 'number' && value < lowest) return fail('unit', `must be at least ${least}, not ${data}`);
    if (typeof value === 'number' && value > highest) return fail('unit', `must be at most ${most}, not ${data}`);
    if (context) context.parentData[context.parentDataProperty] = value;
    return true;
  };
  return reader;
}
