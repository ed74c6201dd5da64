import { describe, expect, test } from 'vitest';
import { errorOfAnswer } from './problem.ts';

const answer = (status: number, body: unknown) =>
  errorOfAnswer({ address: 'p:1', status, body: typeof body === 'string' ? body : JSON.stringify(body) });

describe('an error answer', () => {
  test.each([
    [400, 'resource.invalid', 'invalid_argument'],
    [401, 'http.unauthenticated', 'unauthenticated'],
    [403, 'http.forbidden', 'permission_denied'],
    [404, 'resource.not_found', 'not_found'],
    [409, 'resource.already_exists', 'already_exists'],
    [409, 'resource.revision_conflict', 'conflict'],
    [422, 'x.y', 'failed_precondition'],
    [429, 'x.y', 'resource_exhausted'],
    [503, 'x.y', 'unavailable'],
    [504, 'x.y', 'deadline_exceeded'],
    [500, 'core.unexpected', 'internal'],
    [431, 'http.headers_too_large', 'invalid_argument'],
  ])('%i with code %s is %s, with the words of the server', (status, code, kind) => {
    const problem = { type: 'about:blank', title: 'x', status, detail: 'what happened', code };
    expect(answer(status, problem)).toMatchObject({ kind, code, message: 'what happened' });
  });

  test('that is a Kubernetes Status is understood', () => {
    expect(answer(403, { kind: 'Status', message: 'no', reason: 'Forbidden' })).toMatchObject({
      kind: 'permission_denied',
      message: 'no',
    });
  });

  test.each(['<html>', '', '[]', '{}'])('that is %j comes from something else', (body) => {
    expect(answer(502, body)).toMatchObject({
      kind: 'unavailable',
      message: 'p:1 did not answer like a Postern proxy (HTTP 502)',
    });
  });
});
