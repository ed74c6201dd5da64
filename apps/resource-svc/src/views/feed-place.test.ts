import { describe, expect, test } from 'vitest';
import { FeedPlace } from './feed-place.ts';

const at = (...sequences: number[]) => sequences.map((sequence) => ({ sequence, streamCreated: 'a' }));

describe('the place in the feed', () => {
  test('has no gap when what comes follows, whatever comes again', () => {
    const place = new FeedPlace();
    place.startAt({ created: 'a', lastSequence: 7 });
    expect([at(6, 7), at(8, 9), at(8), at(10)].map((each) => place.isGapBefore(each))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  test('has one where a message went elsewhere, once', () => {
    const place = new FeedPlace();
    place.startAt({ created: 'a', lastSequence: 7 });
    expect(place.isGapBefore(at(9))).toBe(true);
    expect(place.isGapBefore(at(10))).toBe(false);
    expect(place.isGapBefore(at(11, 13, 14))).toBe(true);
    expect(place.isGapBefore(at(12, 15))).toBe(false);
  });

  test('means nothing in another stream', () => {
    const place = new FeedPlace();
    place.startAt({ created: 'b', lastSequence: 7 });
    expect(place.isGapBefore(at(8))).toBe(true);
  });
});
