import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeClose, encodeFrame, opcodes, WebSocketReader } from './frames.ts';

interface Read {
  readonly messages: string[];
  readonly events: string[];
}

/** Reads bytes in pieces of the given sizes, over and over, and gives whole messages in hexadecimal. */
function read(bytes: Buffer, isMasked: boolean, sizes: readonly number[] = [bytes.length || 1]): Read {
  const messages: string[] = [];
  const events: string[] = [];
  let message: Buffer[] = [];
  const reader = new WebSocketReader(isMasked, {
    data: (chunk, { isText, isFirst, isLast }) => {
      if (isFirst) message = [];
      message.push(chunk);
      if (isLast) messages.push((isText ? 'text ' : '') + Buffer.concat(message).toString('hex'));
    },
    ping: (payload) => events.push(`ping ${payload.toString()}`),
    pong: (payload) => events.push(`pong ${payload.toString()}`),
    close: (code) => events.push(`close ${code}`),
  });
  for (let from = 0, turn = 0; from < bytes.length; turn += 1) {
    const chunk = bytes.subarray(from, from + sizes[turn % sizes.length]!);
    for (let at = 0; at < chunk.length;) at = reader.read(chunk, at);
    from += chunk.length;
  }
  return { messages, events };
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('frames', () => {
  // Section 5.7 of RFC 6455.
  test.each([
    ['an unmasked text', '81 05 48 65 6c 6c 6f', false, ['text 48656c6c6f'], []],
    ['a masked text', '81 85 37 fa 21 3d 7f 9f 4d 51 58', true, ['text 48656c6c6f'], []],
    ['a fragmented text', '01 03 48 65 6c 80 02 6c 6f', false, ['text 48656c6c6f'], []],
    ['a ping', '89 05 48 65 6c 6c 6f', false, [], ['ping Hello']],
    ['a masked pong', '8a 85 37 fa 21 3d 7f 9f 4d 51 58', true, [], ['pong Hello']],
    ['a ping within a message', '02 01 01 89 00 80 01 02', false, ['0102'], ['ping ']],
    ['an empty message', '82 00', false, [''], []],
    ['a close without a code', '88 00', false, [], ['close 1000']],
    ['a close with a code', '88 02 03 e9', false, [], ['close 1001']],
  ])('of %s are read as the RFC says, however they are split', (_, bytes, ...expected) => {
    const [isMasked, messages, events] = expected;
    for (let size = 1; size <= hex(bytes).length; size += 1)
      expect(read(hex(bytes), isMasked, [size])).toEqual({ messages, events });
  });

  test('that were written are read back, for every size of payload and every split', () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(70_000).map((length) => Buffer.alloc(length, 7)),
    );
    fc.assert(
      fc.property(
        fc.array(payload, { maxLength: 5 }),
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 }),
        (payloads, isMasked, sizes) => {
          const frames = payloads.map((each) => encodeFrame(opcodes.binary, Buffer.from(each), isMasked));
          const { messages } = read(Buffer.concat(frames), isMasked, sizes);
          expect(messages).toEqual(payloads.map((each) => Buffer.from(each).toString('hex')));
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each([
    ['with a reserved bit, as compression sets it (W-07)', 'c2 01 00', false],
    ['of an unknown opcode', '83 00', false],
    ['of an unknown control opcode', '8b 00', false],
    ['of a client without a mask', '82 01 00', true],
    ['of a server with a mask', '82 81 00 00 00 00 00', false],
    ['with a fragmented ping', '09 00', false],
    ['with a ping that is too long', '89 7e 00 7e', false],
    ['with a message within a message', '02 01 00 82 01 00', false],
    ['with a continuation of nothing', '80 01 00', false],
    ['of more than 16 MB', '82 7f 00 00 00 00 01 00 00 01', false],
    ['of more bytes than there are numbers', '82 7f ff ff ff ff ff ff ff ff', false],
    ['with half a close code', '88 01 03', false],
    ['that follow a close', '88 00 82 01 00', false],
  ])('%s break the protocol', (_, bytes, isMasked) => {
    expect(() => read(hex(bytes), isMasked)).toThrow('breaks RFC 6455');
    expect(() => read(hex(bytes), isMasked, [1])).toThrow('breaks RFC 6455');
  });

  test('of anything at all are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, isMasked) => {
        try {
          read(Buffer.from(bytes), isMasked, [3]);
        } catch (error) {
          expect(error).toMatchObject({ code: 'kube.websocket_violation' });
        }
      }),
      { numRuns: 500 },
    );
  });

  test('that close carry as much of the reason as fits, in whole characters', () => {
    const frame = encodeClose(1008, 'ü'.repeat(100));
    expect(frame.length).toBe(2 + 2 + 122);
    expect(frame.subarray(4).toString()).toBe('ü'.repeat(61));
  });

  test('of others may be put between messages, and pings between frames', () => {
    const reader = new WebSocketReader(false, {
      data: () => undefined,
      ping: () => undefined,
      pong: () => undefined,
      close: () => undefined,
    });
    const state = () => [reader.isBetweenFrames, reader.isBetweenMessages];
    const feed = (bytes: string) => {
      const chunk = hex(bytes);
      for (let at = 0; at < chunk.length;) at = reader.read(chunk, at);
      return state();
    };
    expect(state()).toEqual([true, true]);
    expect(feed('02')).toEqual([false, false]);
    expect(feed('02 01')).toEqual([false, false]);
    expect(feed('02')).toEqual([true, false]);
    expect(feed('80 00')).toEqual([true, true]);
    expect(feed('88 00')).toEqual([true, false]);
  });
});
