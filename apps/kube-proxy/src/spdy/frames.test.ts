import { constants, createDeflate } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dictionary } from './dictionary.ts';
import {
  encodeData,
  encodeGoAway,
  encodePing,
  encodeReset,
  encodeSynReply,
  encodeSynStream,
  SpdyReader,
} from './frames.ts';
import { HeaderBlockReader, HeaderBlockWriter } from './header-block.ts';

/** Reads bytes in pieces of a size, with data of one stream that follows itself joined. */
function read(bytes: Buffer, size = bytes.length || 1): string[] {
  const events: string[] = [];
  const reader = new SpdyReader({
    opened: (id, headers, isFinished) =>
      events.push(`open ${id} ${JSON.stringify([...headers])}${isFinished ? ' fin' : ''}`),
    replied: (id) => events.push(`reply ${id}`),
    data: (id, chunk, isFinished) => {
      const before = events.at(-1);
      const joins = before?.startsWith(`data ${id} `) && !before.endsWith('fin');
      const text = `${joins ? events.pop()! : `data ${id} `}${chunk.toString('hex')}`;
      events.push(isFinished ? `${text} fin` : text);
    },
    reset: (id) => events.push(`reset ${id}`),
    ping: (id) => events.push(`ping ${id}`),
    goneAway: () => events.push('gone'),
  });
  for (let from = 0; from < bytes.length; from += size) {
    const chunk = bytes.subarray(from, from + size);
    for (let at = 0; at < chunk.length;) at = reader.read(chunk, at);
  }
  return events;
}

/** Compresses as moby/spdystream does: one zlib stream with the dictionary, flushed after each block. */
async function deflated(...texts: readonly Buffer[]): Promise<Buffer[]> {
  const deflate = createDeflate({ dictionary, level: 9 });
  const blocks: Buffer[] = [];
  for (const text of texts) {
    const chunks: Buffer[] = [];
    const keep = (chunk: Buffer) => chunks.push(chunk);
    deflate.on('data', keep);
    deflate.write(text);
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    deflate.off('data', keep);
    blocks.push(Buffer.concat(chunks));
  }
  deflate.destroy();
  return blocks;
}

function pairs(headers: Readonly<Record<string, string>>): Buffer {
  const uint32 = (value: number) =>
    Buffer.from([value >>> 24, value >>> 16, value >>> 8, value].map((each) => each & 255));
  const texts = Object.entries(headers).flat();
  return Buffer.concat([
    uint32(texts.length / 2),
    ...texts.flatMap((text) => [uint32(text.length), Buffer.from(text)]),
  ]);
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('header blocks', () => {
  test('that were compressed one after the other are read', async () => {
    const kinds = ['error', 'stdin', 'stdout', 'stderr', 'error'];
    const blocks = await deflated(
      ...kinds.map((streamtype) => pairs({ streamtype, port: '8080', requestid: '0' })),
    );
    const reader = new HeaderBlockReader();
    expect(blocks.map((block) => reader.read(block).get('streamtype'))).toEqual(kinds);
  });

  test('that fill more than a window are read', async () => {
    const values = Array.from({ length: 40 }, (_, at) => `${at}-`.repeat(700));
    const blocks = await deflated(...values.map((value) => pairs({ value })));
    const reader = new HeaderBlockReader();
    expect(blocks.map((block) => reader.read(block).get('value'))).toEqual(values);
  });

  test('of ours are read back', () => {
    const writer = new HeaderBlockWriter();
    const reader = new HeaderBlockReader();
    for (const headers of [new Map([['streamtype', 'error']]), new Map(), new Map([['port', '80']])])
      expect(reader.read(writer.write(headers))).toEqual(headers);
  });

  test('that inflate to megabytes are refused (W-08)', async () => {
    const [bomb] = await deflated(pairs({ value: 'x'.repeat(10_000_000) }));
    expect(bomb!.length).toBeLessThan(16_384);
    expect(() => new HeaderBlockReader().read(bomb!)).toThrow('inflated, or is too long');
  });

  test.each([
    ['no zlib', '00 00 00 00 00 00 00'],
    ['nothing', ''],
    ['zlib without the dictionary', '78 9c 63 60 60 60 00 00'],
    ['the dictionary of another', '78 bb 00 00 00 01 62 60'],
    ['garbage behind the head', '78 bb e3 c6 a7 c2 ff ff ff ff'],
  ])('that are %s are refused', (_, bytes) => {
    expect(() => new HeaderBlockReader().read(hex(bytes))).toThrow('breaks SPDY/3.1');
  });

  test.each([
    [
      'a header twice',
      Buffer.concat([hex('00 00 00 02'), pairs({ a: 'b' }).subarray(4), pairs({ a: 'c' }).subarray(4)]),
    ],
    ['more headers than anybody needs', Buffer.concat([hex('00 01 00 00'), pairs({ a: 'b' }).subarray(4)])],
    ['a header that is cut short', hex('00 00 00 01 00 00 00 05 61')],
    ['a length beyond everything', hex('00 00 00 01 ff ff ff ff')],
  ])('with %s are refused', async (_, text) => {
    const [block] = await deflated(text);
    expect(() => new HeaderBlockReader().read(block!)).toThrow('breaks SPDY/3.1');
  });
});

describe('frames', () => {
  const sample = () => {
    const writer = new HeaderBlockWriter();
    return Buffer.concat([
      encodeSynStream(1, writer.write(new Map([['streamtype', 'error']]))),
      encodeSynReply(1, writer.write(new Map())),
      encodeData(1, Buffer.from('hello')),
      encodePing(2),
      encodeData(1, Buffer.alloc(0), true),
      encodeReset(3, 5),
      encodeGoAway(1),
    ]);
  };

  test('are read the same at every split', () => {
    const expected = [
      'open 1 [["streamtype","error"]]',
      'reply 1',
      'data 1 68656c6c6f',
      'ping 2',
      'data 1  fin',
      'reset 3',
      'gone',
    ];
    for (let size = 1; size <= sample().length; size += 1) expect(read(sample(), size)).toEqual(expected);
  });

  test.each([
    ['data for stream 0', '00 00 00 00 00 00 00 00'],
    ['another version', '80 02 00 06 00 00 00 04 00 00 00 01'],
    ['an unknown type', '80 03 00 0b 00 00 00 00'],
    ['a control frame of a megabyte (W-08)', '80 03 00 01 00 10 00 00'],
    ['a SYN_STREAM that is cut short', '80 03 00 01 00 00 00 04 00 00 00 01'],
    ['a reset of stream 0', '80 03 00 03 00 00 00 08 00 00 00 00 00 00 00 01'],
    ['a PING of the wrong length', '80 03 00 06 00 00 00 02 00 01'],
  ])('with %s break the protocol', (_, bytes) => {
    expect(() => read(hex(bytes))).toThrow('breaks SPDY/3.1');
    expect(() => read(hex(bytes), 1)).toThrow('breaks SPDY/3.1');
  });

  test('of settings and windows change nothing', () => {
    expect(
      read(hex('80 03 00 04 00 00 00 04 00 00 00 00 80 03 00 09 00 00 00 08 00 00 00 01 00 00 10 00')),
    ).toEqual([]);
  });

  test('of anything at all are read or refused', () => {
    const control = fc
      .tuple(fc.constantFrom(1, 2, 3, 4, 6, 7, 8, 9), fc.uint8Array({ maxLength: 40 }))
      .map(([type, body]) => Buffer.concat([Buffer.from([0x80, 3, 0, type, 0, 0, 0, body.length]), body]));
    const bytes = fc.oneof(
      control,
      fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each)),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 6 }), (parts) => {
        try {
          read(Buffer.concat(parts), 5);
        } catch (error) {
          expect(error).toMatchObject({ code: 'kube.spdy_violation' });
        }
      }),
      { numRuns: 500 },
    );
  });
});
