import { describe, expect, test } from 'vitest';
import { errorHeaders, throwIfError } from './remote-error.ts';

describe('a failure in an answer', () => {
  test('is thrown where it was asked', () => {
    const headers = errorHeaders('not_found', 'x.missing');
    expect(() => throwIfError(headers, 'it is gone')).toThrow(
      expect.objectContaining({ kind: 'not_found', code: 'x.missing', message: 'it is gone' }),
    );
  });

  test('of a kind nobody knows is an internal one', () => {
    const headers = { ...errorHeaders('internal', 'x.odd'), 'Postern-Error-Kind': 'constructor' };
    expect(() => throwIfError(headers, '')).toThrow(expect.objectContaining({ kind: 'internal' }));
  });

  test('is not seen in an answer that is none', () => {
    expect(() => throwIfError({ traceparent: 'x' }, '{}')).not.toThrow();
  });
});
