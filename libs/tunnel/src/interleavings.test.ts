import { failure } from '@postern/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Accepted, get, Heard, join, quiet, settled } from '../test/support/tunnels.ts';
import type { TunnelStream } from './stream-contract.ts';

const GivenUp = failure('unavailable', 'test.given_up', () => 'the test gave up');

/** What each end of a stream said, as the model has it. */
interface Side {
  sent: Buffer[];
  hasEnded: boolean;
}

interface Pair {
  readonly stream: TunnelStream;
  readonly heard: Heard;
  readonly near: Side;
  readonly far: Side;
  isReset: boolean;
  isAnswered: boolean;
}

interface World extends ReturnType<typeof join> {
  readonly pairs: Pair[];
}

type Step = (world: World) => void;

let seed = 0;

/** Bytes that are like no others. */
function bytesOf(length: number): Buffer {
  seed += 1;
  return Buffer.alloc(length, `${seed}:`);
}

const which = fc.nat({ max: 9 });
const size = fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 90_000 }));

const onPair =
  (index: number, act: (pair: Pair, world: World) => void): Step =>
  (world) => {
    const pair = world.pairs[index % Math.max(1, world.pairs.length)];
    if (pair !== undefined) act(pair, world);
  };

const farOf = ({ pairs, accepted }: World, pair: Pair): Accepted | undefined => accepted[pairs.indexOf(pair)];

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.constant<Step>((world) => {
    const heard = new Heard();
    const stream = world.edge.open(get, heard);
    const side = () => ({ sent: [], hasEnded: false });
    world.pairs.push({ stream, heard, near: side(), far: side(), isReset: false, isAnswered: false });
  }),
  fc.tuple(which, size).map(([index, length]) =>
    onPair(index, ({ stream, near }) => {
      if (near.hasEnded) return;
      const bytes = bytesOf(length);
      near.sent.push(bytes);
      stream.write(bytes);
    }),
  ),
  which.map((index) =>
    onPair(index, ({ stream, near }) => {
      near.hasEnded = true;
      stream.end();
    }),
  ),
  fc.tuple(which, size).map(([index, length]) =>
    onPair(index, (pair, world) => {
      const there = farOf(world, pair);
      if (there === undefined || pair.far.hasEnded) return;
      if (!pair.isAnswered) there.stream.answer({ status: 200, headers: [] });
      pair.isAnswered = true;
      const bytes = bytesOf(length);
      pair.far.sent.push(bytes);
      there.stream.write(bytes);
    }),
  ),
  which.map((index) =>
    onPair(index, (pair, world) => {
      if (!pair.isAnswered) return;
      pair.far.hasEnded = true;
      farOf(world, pair)!.stream.end();
    }),
  ),
  fc.tuple(which, fc.boolean()).map(([index, isNear]) =>
    onPair(index, (pair, world) => {
      const end = isNear ? pair.stream : farOf(world, pair)?.stream;
      if (end === undefined) return;
      pair.isReset = true;
      end.reset(GivenUp());
    }),
  ),
  fc.tuple(which, fc.boolean(), fc.boolean()).map(([index, isNear, pauses]) =>
    onPair(index, (pair, world) => {
      const end = isNear ? pair.stream : farOf(world, pair)?.stream;
      if (pauses) end?.pause();
      else end?.resume();
    }),
  ),
);

/** What was heard is what was sent; of a stream that was reset it is how that began. */
function expectHeard(heard: Heard, { sent, hasEnded }: Side, isReset: boolean): void {
  const all = Buffer.concat(sent);
  const got = heard.bytes;
  if (isReset) return expect(all.subarray(0, got.length).equals(got)).toBe(true);
  expect(got.equals(all)).toBe(true);
  expect(heard.log.includes('end')).toBe(hasEnded);
}

describe('any order of events', () => {
  test('leaves every stream with what was sent on it, and nothing of another one (S-13)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(steps, fc.nat({ max: 3 })), { minLength: 1, maxLength: 60 }),
        fc.constantFrom(0, 1000, 7919),
        async (schedule, pieceBytes) => {
          const world: World = { ...join({ pieceBytes }), pairs: [] };
          for (const [step, turns] of schedule) {
            step(world);
            await quiet(turns);
          }
          await settled('all are there', () => world.accepted.length === world.pairs.length);
          for (const pair of world.pairs) {
            pair.stream.resume();
            farOf(world, pair)!.stream.resume();
          }
          await quiet(60);
          expect(world.reported).toEqual([]);
          for (const pair of world.pairs) {
            expectHeard(pair.heard, pair.far, pair.isReset);
            expectHeard(farOf(world, pair)!.heard, pair.near, pair.isReset);
          }
          const open = world.pairs.filter(
            ({ near, far, isReset }) => !isReset && !(near.hasEnded && far.hasEnded),
          );
          expect([world.edge.openStreams, world.agent.openStreams]).toEqual([open.length, open.length]);
          expect(world.edge.isDraining).toBe(false);
          world.edge.drain(0);
        },
      ),
      { numRuns: 150 },
    );
  });
});
