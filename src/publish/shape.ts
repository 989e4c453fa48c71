/** The API's answers are described by JSON Schema, from which their types follow. */
import Type, { type TSchema } from 'typebox';

/** null where it is not known, or there is none. */
export const nullable = <T extends TSchema>(schema: T, description?: string) =>
  Type.Union([schema, Type.Null()], description === undefined ? {} : { description });

export const numberOrNull = (description?: string) => nullable(Type.Number(), description);
