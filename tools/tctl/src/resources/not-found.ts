import { AppError, failure } from '@postern/core';
import { resourceWords } from './kind-words.ts';
import type { Reference } from './reference.ts';

export const ResourceNotFound = failure(
  'not_found',
  'tctl.not_found',
  (words: string) => `${words} not found`,
);

/** The same outcome; a resource that is not there is named as people know it. */
export async function orNotFound<T>({ kind, name }: Required<Reference>, outcome: Promise<T>): Promise<T> {
  try {
    return await outcome;
  } catch (error) {
    if (error instanceof AppError && error.kind === 'not_found')
      throw ResourceNotFound.from(error, resourceWords(kind, name));
    throw error;
  }
}
