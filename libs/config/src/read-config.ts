import { failure, messageOf } from '@postern/core';
import type { Environment, Field } from './field.ts';

/** Variables that are missing or wrong, all of them at once. */
export const InvalidEnvironment = failure(
  'invalid_argument',
  'config.invalid_environment',
  (problems: readonly string[]) =>
    `the environment is not complete:\n${problems.map((line) => `  ${line}`).join('\n')}`,
);

/** What a program reads from its environment: fields by name, in groups where that reads better. */
export interface ConfigSchema {
  readonly [name: string]: Field<unknown> | ConfigSchema;
}

/** The values of a schema. */
export type ConfigOf<S> = { readonly [K in keyof S]: S[K] extends Field<infer T> ? T : ConfigOf<S[K]> };

/** Reads every variable of a schema. An empty variable counts as absent. */
export function readConfig<S extends ConfigSchema>(schema: S, env: Environment): ConfigOf<S> {
  const problems: string[] = [];
  const values = readGroup(schema, env, problems);
  if (problems.length > 0) throw InvalidEnvironment(problems);
  return values as ConfigOf<S>;
}

/** Every field of a schema, in order, for the documents. */
export function fieldsOf(schema: ConfigSchema): Field<unknown>[] {
  return Object.values(schema).flatMap((part) => (isField(part) ? [part] : fieldsOf(part)));
}

function readGroup(schema: ConfigSchema, env: Environment, problems: string[]): Record<string, unknown> {
  const entries = Object.entries(schema).map(([name, part]): [string, unknown] => [
    name,
    isField(part) ? readField(part, env, problems) : readGroup(part, env, problems),
  ]);
  return Object.fromEntries(entries);
}

function readField(field: Field<unknown>, env: Environment, problems: string[]): unknown {
  const text = env[field.variable] || field.fallback;
  if (text === undefined) {
    if (!field.isOptional) problems.push(`${field.variable} is required: ${field.summary}`);
    return undefined;
  }
  try {
    return field.parse(text);
  } catch (error) {
    const shown = field.isSecret ? '' : ` (it is ${JSON.stringify(text.slice(0, 100))})`;
    problems.push(`${field.variable}: ${messageOf(error)}${shown}`);
    return undefined;
  }
}

function isField(part: Field<unknown> | ConfigSchema): part is Field<unknown> {
  return typeof part['parse'] === 'function';
}
