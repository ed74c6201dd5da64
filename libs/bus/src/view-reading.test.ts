import type { ViewEntry } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { ViewReading } from './view-reading.ts';

const put = (rev: number): ViewEntry => ({
  kind: 'role',
  id: 'a',
  rev,
  revision: `r${rev}`,
  resource: { kind: 'role', version: 'v7', metadata: { name: 'a' }, spec: {} },
});
const gone = (rev: number): ViewEntry => ({ kind: 'role', id: 'a', rev, revision: '' });
const message = (entry: ViewEntry, sequence: number, previous = 0, generation = 1) => ({
  subject: `live.view.h.${generation}.role.a`,
  generation,
  sequence,
  previous,
  entry,
});

function snapshot(reading: ViewReading, generation: number, ...entries: ViewEntry[]): void {
  reading.begin();
  reading.page({ entries, generation });
  reading.end();
}

const shown = (reading: ViewReading) => reading.entries.entries('role').map(({ rev }) => rev);

describe('a reading of a view', () => {
  test('is not taken in by a message that comes again long after its entry was removed', () => {
    const reading = new ViewReading();
    const first = message(put(1), 10);
    reading.live(first);
    reading.live(message(gone(2), 11, 10));
    snapshot(reading, 1);
    snapshot(reading, 1);
    expect(reading.isStale).toBe(false);
    expect(reading.live(first)).toBeUndefined();
    expect(shown(reading)).toEqual([]);
    expect(reading.isStale).toBe(true);
  });

  test('is stale when a message between two others is missing', () => {
    const reading = new ViewReading();
    snapshot(reading, 1);
    reading.live(message(put(1), 10));
    expect(reading.isStale).toBe(false);
    reading.live(message(put(3), 14, 12));
    expect(reading.isStale).toBe(true);
    expect(shown(reading)).toEqual([3]);
  });

  test('switches to a newer generation without a change, and hears no older one then', () => {
    const reading = new ViewReading();
    reading.live(message(put(1), 10));
    snapshot(reading, 1, put(1));
    expect(reading.live(message(put(1), 20, 0, 2))).toBeUndefined();
    snapshot(reading, 2, put(1));
    expect(reading.isStale).toBe(false);
    expect(reading.live(message(put(7), 21, 10, 1))).toBeUndefined();
    expect(shown(reading)).toEqual([1]);
    reading.live(message(gone(2), 22, 20, 2));
    expect(shown(reading)).toEqual([]);
    expect(reading.isStale).toBe(false);
  });

  test('believes a server that counts from an earlier number again, once it has connected again', () => {
    const reading = new ViewReading();
    reading.live(message(put(1), 10));
    reading.reconnected();
    expect(reading.isStale).toBe(true);
    reading.live(message(put(2), 5));
    expect(shown(reading)).toEqual([2]);
  });
});
