import type { StoredEvent } from '@postern/contracts';
import { sha256Hex } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { eventFilter } from './event-filter.ts';
import { shownEvent, shownStream, shownSubject } from './shown.ts';
import { shownParkedWhole } from './shown-parked.ts';

const digest = sha256Hex('secret');
const event: StoredEvent = {
  id: '01933b7a-52f5-7d6c-8f5e-0a1b2c3d4e5f',
  stream: `token/${digest}`,
  version: 1,
  type: 'ResourceDeleted',
  v: 1,
  data: { kind: 'token', id: digest, reason: 'deleted' },
  meta: { actor: 'spiffe://postern/user/alice', correlationId: 'c' },
  at: '2026-01-01T00:00:00.000Z',
};
const subject = `evt.resource.00.token.${digest}.ResourceDeleted`;
const row = {
  id: 'p',
  consumer: 'resource__views',
  stream: 'EVT_RESOURCE',
  streamCreated: '',
  sequence: 1,
  subject,
  headers: {},
  body: Buffer.from(JSON.stringify(event)),
  eventId: event.id,
  aggregate: event.stream,
  deliveries: 1,
  code: 'c',
  error: 'e',
  isWhole: true,
  tries: 0,
  at: new Date(0),
  isRetrying: false,
};

describe('an event as people see it', () => {
  test('does not tell the whole digest of a name that is a secret, anywhere', () => {
    expect(JSON.stringify(shownEvent('resource', { sequence: 1 }, event))).not.toContain(digest);
    expect(shownStream(event.stream)).toBe(`token/${digest.slice(0, 8)}…`);
    expect(shownSubject(subject)).not.toContain(digest);
    expect(JSON.stringify(shownParkedWhole('resource', row))).not.toContain(digest);
    const broken = { ...row, body: Buffer.from(`{"stream":"token/${digest}`) };
    expect(JSON.stringify(shownParkedWhole('resource', broken))).not.toContain(digest);
  });

  test('does not tell it in what is said about a message either', () => {
    const error = `a message on ${subject} cannot be read`;
    expect(JSON.stringify(shownParkedWhole('resource', { ...row, error }))).not.toContain(digest);
    const dropped = { ...event, stream: 'parked_message/p', type: 'ParkedMessageDropped', data: { subject } };
    expect(JSON.stringify(shownEvent('resource', { sequence: 1 }, dropped))).not.toContain(digest);
  });

  test('of any other kind is shown as it is', () => {
    const role = { ...event, stream: 'role/dev', data: { kind: 'role', id: 'dev' } };
    expect(shownEvent('resource', { sequence: 1 }, role)).toMatchObject({
      stream: 'role/dev',
      data: { kind: 'role', id: 'dev' },
      actor: 'spiffe://postern/user/alice',
      correlationId: 'c',
    });
  });
});

describe('a parked body', () => {
  const fact = { ...row, subject: 'agent.a.fact.X', aggregate: '' };
  test('that is no text is shown in base64', () => {
    const shown = shownParkedWhole('inventory', { ...fact, body: Uint8Array.of(0xff, 0x00) });
    expect(shown).toMatchObject({ encoding: 'base64', body: '/wA=' });
  });

  test('that is very large is shown in part', () => {
    const shown = shownParkedWhole('inventory', { ...fact, body: Buffer.alloc(1024 ** 2, 'x') });
    expect(shown.body).toHaveLength(64 * 1024);
  });
});

describe('a filter', () => {
  const of = 'evt.resource.03.kube_cluster.prod=2eeu.ResourceUpserted';
  test.each([
    [{}, true],
    [{ type: 'ResourceUpserted' }, true],
    [{ type: 'Upserted' }, false],
    [{ subject: 'kube_cluster/prod.eu' }, true],
    [{ subject: 'kube_cluster/prod' }, false],
    [{ subject: of }, true],
    [{ subject: 'evt.resource.*.kube_cluster.>' }, true],
    [{ subject: 'evt.*.*.kube_cluster.*.ResourceUpserted' }, true],
    [{ subject: 'evt.resource.*.kube_cluster.*' }, false],
    [{ subject: `${of}.>` }, false],
    [{ subject: '>' }, true],
    [{ subject: 'evt.resource.*.role.>' }, false],
    [{ subject: 'evt.resource.>', type: 'ResourceDeleted' }, false],
  ])('%j matches: %s', (filter, expected) => {
    expect(eventFilter(filter)({ subject: of })).toBe(expected);
  });

  test.each(['evt..x', '', '.', 'evt.>.x'])('with the subject %j is refused', (subject) => {
    expect(() => eventFilter({ subject })).toThrow('invalid subject');
  });
});
