import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '@postern/core';
import { describe, expect, test } from 'vitest';
import type { EventType, StoredEvent } from './define-event.ts';
import * as contracts from './index.ts';

const folder = join(import.meta.dirname, 'golden');
const types = Object.values(contracts).filter(
  (value): value is EventType => typeof value === 'function' && 'context' in value && 'read' in value,
);

describe('golden events', () => {
  test('are there for every version of every type', () => {
    const wanted = types.flatMap(({ type, v }) =>
      Array.from({ length: v }, (_, at) => `${type}.v${at + 1}.json`),
    );
    expect(readdirSync(folder).toSorted()).toEqual(wanted.toSorted());
  });

  test.each(readdirSync(folder))('%s, once written, is read by the program of today', (file) => {
    const stored = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Pick<
      StoredEvent,
      'type' | 'v' | 'data'
    >;
    const type = types.find((candidate) => candidate.type === stored.type)!;
    const data = type.read(stored);
    expect(type(data as never)).toEqual({ type: stored.type, v: type.v, data });
    if (stored.v === type.v) expect(data).toEqual(stored.data);
  });

  test('of a version that nobody has written yet are refused', () => {
    const [type] = types;
    const newer = { type: type!.type, v: type!.v + 1, data: {} as JsonObject };
    expect(() => type!.read(newer)).toThrow('newer than this program knows');
  });
});
