import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { BusTimeout, translateError } from './failures.ts';

const apiError = (code: number, err_code: number) =>
  new JetStreamApiError({ code, err_code, description: 'told' });

describe('errors of the NATS client', () => {
  test.each([
    ['nobody answers', new errors.NoRespondersError('a.b'), 'bus.no_responder'],
    [
      'nobody answers a request',
      new errors.RequestError('x', { cause: new errors.NoRespondersError('a.b') }),
      'bus.no_responder',
    ],
    ['a timeout', new errors.TimeoutError(), 'bus.timeout'],
    [
      'a subject that is not allowed',
      new errors.PermissionViolationError('x', 'publish', 'a.b'),
      'bus.forbidden',
    ],
    ['a refused credential', new errors.AuthorizationError('x'), 'bus.unauthenticated'],
    ['an expired credential', new errors.UserAuthenticationExpiredError('x'), 'bus.unauthenticated'],
    ['a closed connection', new errors.ClosedConnectionError(), 'bus.unavailable'],
    ['a refused connection', Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'bus.unavailable'],
    ['another writer', apiError(400, 10071), 'bus.wrong_sequence'],
    ['a server that is not ready', apiError(503, 10008), 'bus.unavailable'],
    ['a refusal of JetStream', apiError(400, 10052), 'bus.jetstream_refused'],
  ])('%s', (_, error, code) => {
    expect(translateError(error, 'a.b')).toMatchObject({ code, cause: error });
  });

  test('that are ours or unknown stay as they are', () => {
    const ours = BusTimeout('a.b');
    const unknown = new TypeError('bug');
    expect(translateError(ours, 'a.b')).toBe(ours);
    expect(translateError(unknown, 'a.b')).toBe(unknown);
  });
});
