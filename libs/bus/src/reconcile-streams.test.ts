import type { StreamInfo } from '@nats-io/jetstream';
import { describe, expect, test } from 'vitest';
import { differences } from './reconcile-streams.ts';
import { allStreams, eventStream } from './streams.ts';

const actual = (config: object) => ({ config }) as Pick<StreamInfo, 'config'>;

describe('a declared stream', () => {
  test('is as it should be when the server only knows more', () => {
    const wanted = eventStream('join');
    const metadata = { ...wanted.metadata, '_nats.ver': '2.14.0' };
    expect(differences(wanted, actual({ ...wanted, metadata, sealed: false }))).toEqual([]);
  });

  test('differs in the fields that are otherwise or missing', () => {
    const wanted = eventStream('join');
    const { deny_delete: _, ...rest } = wanted;
    expect(differences(wanted, actual({ ...rest, max_age: 1 }))).toEqual(['max_age', 'deny_delete']);
  });

  test('differs when a subject is missing or too many', () => {
    const wanted = eventStream('join');
    expect(differences(wanted, actual({ ...wanted, subjects: [] }))).toEqual(['subjects']);
    expect(differences(wanted, actual({ ...wanted, subjects: ['evt.join.>', 'x'] }))).toEqual(['subjects']);
  });
});

describe('the streams', () => {
  test('have the names that consumers and permissions know', () => {
    expect(allStreams().map(({ name }) => name)).toEqual([
      'EVT_JOIN',
      'EVT_RESOURCE',
      'EVT_INVENTORY',
      'FACT',
      'FACT_2',
      'FACT_3',
      'VIEW',
      'WORK',
    ]);
  });

  test('take replicas and limits from the operator', () => {
    const options = { replicas: 3, maxAgeDays: 2, maxBytes: 5 };
    expect(eventStream('join', options)).toMatchObject({ num_replicas: 3, max_age: 172_800e9, max_bytes: 5 });
    expect(allStreams(options).every((stream) => stream.num_replicas === 3)).toBe(true);
  });
});
