import { isPlainObject } from '@postern/core';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { InvalidRequest } from './failures.ts';

/** Checks one part of a request and answers it unchanged: nothing is coerced, dropped or filled in. */
export type Shape = (value: unknown) => unknown;

/** The check of a part against its schema. The message names the field, never the value. */
export function shapeOf(schema: TSchema, part: 'params' | 'query' | 'body'): Shape {
  const validator = Compile(closed(schema));
  return (value) => {
    if (validator.Check(value)) return value;
    const errors = validator.Errors(value);
    const error = errors.find(({ keyword }) => keyword === 'additionalProperties') ?? errors[0];
    throw InvalidRequest(error ? `${part}${error.instancePath} ${reasonOf(error)}` : `${part} is invalid`);
  };
}

/** An object schema that is silent about unknown fields refuses them. */
function closed(schema: TSchema): TSchema {
  const isOpen = 'properties' in schema && !('additionalProperties' in schema);
  return isOpen ? { ...schema, additionalProperties: false } : schema;
}

interface ShapeError {
  readonly keyword: string;
  readonly message: string;
  readonly params: object;
}

function reasonOf({ keyword, message, params }: ShapeError): string {
  if (keyword !== 'additionalProperties' || !isPlainObject(params)) return message;
  const names = params['additionalProperties'];
  const [first] = Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  return first === undefined ? message : `must not have the field ${JSON.stringify(first.slice(0, 100))}`;
}
