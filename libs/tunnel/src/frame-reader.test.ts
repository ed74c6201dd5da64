import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerFrame, data, end, frame, number, openFrame, reset } from '../test/support/raw-peer.ts';
import { get, Heard, join, ok, settled } from '../test/support/tunnels.ts';
import { ProtocolBroken } from './failures.ts';
import { frameType } from './frame.ts';
import { FrameReader } from './frame-reader.ts';

const talk = Buffer.concat([
  openFrame(2),
  data(2, Buffer.from('some bytes')),
  number(frameType.credit, 0, 70_000),
  number(frameType.ping, 0, 7),
  answerFrame(1),
  data(1, Buffer.alloc(300, 'z')),
  end(2),
  frame(frameType.drain, 0),
  reset(1),
]);

/** What a reader makes of the pieces; parts of one frame of data are joined. */
function read(pieces: readonly Buffer[]): string[] {
  const seen: string[] = [];
  let bytes = '';
  const reader = new FrameReader({
    dataBegins: (stream, length, isLast) => {
      seen.push(`data ${stream} ${length} ${isLast}`);
      bytes = '';
    },
    dataPart: (part) => void (bytes += part.toString('latin1')),
    dataEnds: () => void seen.push(bytes),
    frame: (type, stream, payload) => void seen.push(`${type} ${stream} ${payload.toString('latin1')}`),
  });
  for (const piece of pieces) reader.push(piece);
  return seen;
}

describe('frames', () => {
  const whole = read([talk]);

  test('are the same wherever they are split in two (S-16)', () => {
    expect(whole.length).toBe(12);
    for (let at = 1; at < talk.length; at += 1)
      expect(read([talk.subarray(0, at), talk.subarray(at)])).toEqual(whole);
  });

  test('are the same in pieces of any one size (S-16)', () => {
    for (let size = 1; size < 40; size += 1) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < talk.length; at += size) pieces.push(talk.subarray(at, at + size));
      expect(read(pieces)).toEqual(whole);
    }
  });

  test('of any bytes at all are read, or refused as a breach of the protocol (S-16)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          read([Buffer.from(bytes)]);
        } catch (error) {
          expect(ProtocolBroken.is(error)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('carry a whole conversation in pieces of one byte (S-16)', async () => {
    const { edge, accepted } = join({ pieceBytes: 1, onOpen: ({ stream }) => stream.answer(ok) });
    const heard = new Heard();
    const stream = edge.open(get, heard);
    stream.end(Buffer.alloc(5000, 'q'));
    await settled('it is there', () => accepted[0]?.heard.log.at(-1) === 'end');
    accepted[0]!.stream.end(accepted[0]!.heard.bytes);
    await settled('it is back', () => stream.isEnded);
    expect(heard.bytes.equals(Buffer.alloc(5000, 'q'))).toBe(true);
  });
});
