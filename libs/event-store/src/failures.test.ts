import { type AppError, failure } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { translateError } from './failures.ts';

const pgError = (code: string, constraint = '') =>
  Object.assign(new Error('secret text'), { code, constraint });

describe('errors of Postgres', () => {
  test.each([
    ['23505', 'es_event_stream_version', 'event_store.conflict'],
    ['23505', 'es_event_id', 'event_store.conflict'],
    ['23505', 'shelf_name', 'event_store.row_exists'],
    ['23514', 'es_event_stream_named', 'event_store.row_refused'],
    ['22P05', '', 'event_store.row_refused'],
    ['40001', '', 'event_store.conflict'],
    ['40P01', '', 'event_store.conflict'],
    ['57014', '', 'event_store.timeout'],
    ['57P01', '', 'event_store.unavailable'],
    ['53300', '', 'event_store.unavailable'],
    ['08006', '', 'event_store.unavailable'],
    ['ECONNREFUSED', '', 'event_store.unavailable'],
  ])('%s of %j are %s', (code, constraint, expected) => {
    const translated = translateError(pgError(code, constraint)) as AppError;
    expect(translated).toMatchObject({ code: expected, cause: { code } });
    expect(translated.message).not.toContain('secret');
  });

  test('of a named constraint are what the service says they are', () => {
    const ShelfExists = failure('already_exists', 'test.shelf_exists', () => 'there is such a shelf');
    const translated = translateError(pgError('23505', 'shelf_name'), { shelf_name: ShelfExists });
    expect(translated).toMatchObject({ code: 'test.shelf_exists' });
  });

  test('that mean a lost connection are known by their text', () => {
    const lost = ['Connection terminated unexpectedly', 'timeout exceeded when trying to connect'];
    for (const text of lost)
      expect(translateError(new Error(text))).toMatchObject({ code: 'event_store.unavailable' });
    const both = new AggregateError([pgError('ECONNREFUSED'), pgError('ECONNREFUSED')]);
    expect(translateError(both)).toMatchObject({ code: 'event_store.unavailable' });
  });

  test('that are none of these stay as they are', () => {
    const bug = pgError('42703');
    expect(translateError(bug)).toBe(bug);
    expect(translateError(undefined)).toBeUndefined();
  });
});
