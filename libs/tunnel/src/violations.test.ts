import { failure } from '@postern/core';
import { describe, expect, test } from 'vitest';
import {
  answerFrame,
  confirmReset,
  data,
  end,
  frame,
  number,
  openFrame,
  RawPeer,
  reset,
} from '../test/support/raw-peer.ts';
import { FakeTimers, get, Heard, join, ok, quiet, settled } from '../test/support/tunnels.ts';
import { endFlag, firstStreamWindow, frameType, mostDataBytes } from './frame.ts';

const Cancelled = failure('unavailable', 'kube.cancelled', () => 'the client went away');

/** Sends frames to a tunnel that has one stream of its own (1), and expects it to be closed for the reason. */
async function expectBroken(why: string, ...frames: Buffer[]): Promise<void> {
  const peer = new RawPeer();
  const heard = new Heard();
  peer.tunnel.open(get, heard);
  const error = await peer.breaks(...frames);
  expect([error.code, error.message]).toEqual(['tunnel.protocol_broken', expect.stringContaining(why)]);
  expect(heard.error!.code).toBe('tunnel.protocol_broken');
  expect(peer.reported).toEqual([]);
  expect(peer.tunnel.openStreams).toBe(0);
}

const full = Buffer.alloc(mostDataBytes);
const header = (length: number, type: number, stream: number) =>
  Buffer.concat([
    Buffer.from([length >> 16, (length >> 8) & 0xff, length & 0xff, type]),
    number(0, 0, stream).subarray(8),
  ]);
const head = (bytes: number[]) => Buffer.from(bytes);

describe('a peer that breaks the protocol loses its tunnel', () => {
  test('by a frame longer than its type may be (S-16)', async () => {
    await expectBroken('longer', openFrame(2), header(mostDataBytes + 1, frameType.data, 2));
    await expectBroken('longer', header(65_537, frameType.open, 2));
    await expectBroken('longer', header(2049, frameType.reset, 1));
    await expectBroken('longer', header(5, frameType.credit, 1));
  });

  test('by a length that would be negative were it signed (S-16)', async () => {
    await expectBroken('longer', header(0xff_ffff, frameType.data, 1));
    await expectBroken('longer', header(0x80_0000, frameType.open, 2));
    await expectBroken('no credit', number(frameType.credit, 0, 0xffff_ffff));
    await expectBroken('no credit', number(frameType.credit, 1, 0x8000_0000));
  });

  test('by a frame shorter than its type may be (S-16)', async () => {
    await expectBroken('shorter', openFrame(2), header(0, frameType.data, 2));
    await expectBroken('shorter', header(0, frameType.open, 2));
    await expectBroken('shorter', header(3, frameType.ping, 0));
  });

  test('by a type that there is not (S-16)', async () => {
    for (const type of [0, 11, 0x7f, endFlag | frameType.open, endFlag | frameType.reset, 0xff])
      await expectBroken('unknown type', header(4, type, 1));
  });

  test('by a frame of a stream that was never opened (S-16)', async () => {
    await expectBroken('never opened', data(2, full));
    await expectBroken('never opened', data(3, full));
    await expectBroken('never opened', number(frameType.credit, 9, 8192));
    await expectBroken('never opened', reset(4));
    await expectBroken('never opened', answerFrame(5));
  });

  test('by data behind the end of a stream (S-16)', async () => {
    await expectBroken('after the end', openFrame(2), end(2), data(2, full));
    await expectBroken('after the end', openFrame(2), end(2), end(2));
    await expectBroken('is over', openFrame(2), reset(2), data(2, full));
    await expectBroken('is over', openFrame(2), reset(2), answerFrame(2));
  });

  test('by more data than a window allows (S-16)', async () => {
    const peer = new RawPeer({
      accept: (stream) => {
        stream.pause();
        return new Heard();
      },
    });
    const frames = Math.floor(firstStreamWindow / mostDataBytes);
    peer.send(openFrame(2), ...Array.from({ length: frames }, () => data(2, full)));
    await peer.isOpen();
    const error = await peer.breaks(data(2, full));
    expect(error.message).toContain('window of a stream');
  });

  test('by opening a stream twice, out of turn, or with a number of the other end (S-16)', async () => {
    await expectBroken('not the next', openFrame(2), openFrame(2));
    await expectBroken('not the next', openFrame(2), reset(2), openFrame(2));
    await expectBroken('not the next', openFrame(6));
    await expectBroken('not the next', openFrame(1));
    await expectBroken('not the next', openFrame(3));
    await expectBroken('cannot have', openFrame(0));
  });

  test('by numbers that wrap around (S-16)', async () => {
    await expectBroken('not the next', openFrame(2), openFrame(0xffff_fffe));
    await expectBroken('not the next', openFrame(2), end(2), openFrame(0x8000_0002));
  });

  test('by an answer that is not due', async () => {
    await expectBroken('second answer', answerFrame(1), answerFrame(1));
    await expectBroken('stream of its own', openFrame(2), answerFrame(2));
    await expectBroken('before the answer', data(1, full));
    await expectBroken('before the answer', end(1));
  });

  test('by frames of the tunnel on a stream, and the other way round', async () => {
    await expectBroken('cannot have', number(frameType.ping, 1, 1));
    await expectBroken('cannot have', frame(frameType.drain, 1));
    await expectBroken('cannot have', reset(0));
    await expectBroken('never opened', data(0, full));
  });

  test('by credit beyond every window (X-02)', async () => {
    const some = 16 * 1024 * 1024;
    await expectBroken('more credit', ...Array.from({ length: 5 }, () => number(frameType.credit, 1, some)));
    await expectBroken('more credit', ...Array.from({ length: 5 }, () => number(frameType.credit, 0, some)));
    await expectBroken('no credit', number(frameType.credit, 1, 0));
    await expectBroken('no credit', number(frameType.credit, 1, 1));
  });

  test('by confirming what was not asked', async () => {
    await expectBroken('never sent', confirmReset(1));
    await expectBroken('not asked for', frame(frameType.drained, 0));
    await expectBroken('asked twice', frame(frameType.drain, 0), frame(frameType.drain, 0));
    await expectBroken('no ping', number(frameType.pong, 0, 12_345));
  });

  test('by opening a stream after it had confirmed to open none', async () => {
    const peer = new RawPeer();
    peer.send(openFrame(2));
    peer.tunnel.drain();
    const error = await peer.breaks(openFrame(4), frame(frameType.drained, 0), openFrame(6));
    expect(error.message).toContain('confirmed to open none');
    expect(peer.accepted.length).toBe(2);
  });

  test('by opening a stream towards an end that takes none', async () => {
    const { edge, agent } = join();
    agent.open(get, new Heard());
    expect((await edge.closed)!.message).toContain('takes none');
  });

  test('by a head that lies about its lengths or hides control characters (X-02)', async () => {
    const open = (...payload: number[]) => frame(frameType.open, 2, head(payload));
    await expectBroken('too many texts', open(0));
    await expectBroken('too many texts', open(0xff, 0xff, 0, 1));
    await expectBroken('too many texts', open(0, 4, 0, 1));
    await expectBroken('do not add up', open(0, 4, 0, 1, 0, 1, 0, 0, 0, 0, 65, 66, 67));
    await expectBroken('do not add up', open(0, 4, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 65, 66));
    await expectBroken('without a method', open(0, 3, 0, 1, 0, 1, 0, 0, 65, 66));
    await expectBroken('without a method', open(0, 5, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 65, 66, 67));
    await expectBroken('without a method', open(0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 66));
    await expectBroken('characters', open(0, 4, 0, 1, 0, 1, 0, 0, 0, 0, 65, 10));
    await expectBroken('characters', open(0, 4, 0, 1, 0, 1, 0, 0, 0, 0, 65, 0));
    await expectBroken('without a status', frame(frameType.answer, 1, head([0, 1, 0, 0])));
  });

  test('by an error that cannot be read', async () => {
    await expectBroken('cannot be read', frame(frameType.reset, 1, head([99, 3, 97, 46, 98])));
    await expectBroken('cannot be read', frame(frameType.reset, 1, head([1, 200, 97, 46, 98])));
    await expectBroken('cannot be read', frame(frameType.reset, 1, Buffer.from('\x01\x05a b\nc')));
  });
});

describe('a flood', () => {
  test('of pings closes the tunnel (X-02)', async () => {
    await expectBroken(
      'flood of pings',
      ...Array.from({ length: 30 }, (_, n) => number(frameType.ping, 0, n)),
    );
  });

  test('of frames of one byte closes the tunnel (S-16)', async () => {
    const peer = new RawPeer({ timers: new FakeTimers() });
    const one = data(2, Buffer.from('x'));
    const many = Buffer.concat(Array.from({ length: 50_001 }, () => one));
    peer.send(openFrame(2), many);
    await settled('the first half is read', () => peer.accepted[0]?.heard.length === 50_001);
    const error = await peer.breaks(many);
    expect(error.message).toContain('move nothing');
  });

  test('of streams that are reset before anybody answered closes the tunnel (X-02)', async () => {
    const peer = new RawPeer({ limits: { streams: 100 }, timers: new FakeTimers() });
    const frames: Buffer[] = [];
    for (let stream = 2; stream <= 204; stream += 2) frames.push(openFrame(stream), reset(stream));
    const error = await peer.breaks(...frames);
    expect(error.message).toContain('only to be reset');
    expect(peer.accepted.length).toBe(101);
  });

  test('of streams closes the tunnel, when the peer goes on after it was refused (X-02)', async () => {
    const peer = new RawPeer({ limits: { streams: 100 } });
    const opens = Array.from({ length: 200 }, (_, n) => openFrame(2 + 2 * n));
    peer.send(...opens);
    await settled('half is refused', () => peer.got.filter((line) => line.startsWith('4 ')).length === 100);
    expect(peer.accepted.length).toBe(100);
    const error = await peer.breaks(openFrame(402));
    expect(error.message).toContain('more streams than');
  });

  test('is not what many honest cancellations are (X-02)', async () => {
    const { edge, agent, accepted } = join({ onOpen: ({ stream }) => stream.answer(ok) });
    for (let round = 0; round < 3; round += 1) {
      const streams = Array.from({ length: 5000 }, () => edge.open(get, new Heard()));
      await settled('all are answered', () => accepted.length === 5000 * (round + 1));
      for (const stream of streams) stream.reset(Cancelled());
      await settled('nothing is left', () => edge.openStreams + agent.openStreams === 0);
    }
    expect(edge.isDraining).toBe(false);
  });

  test('that never comes, from a peer that sends a head byte by byte, is not waited for (X-01)', async () => {
    const timers = new FakeTimers();
    const peer = new RawPeer({ timers });
    const slow = openFrame(2, { ...get, headers: ['x', 'y'.repeat(60_000)] });
    for (let at = 0; at < 29; at += 1) {
      peer.send(slow.subarray(at, at + 1));
      await timers.pass(1000);
    }
    expect(peer.tunnel.roundTripMs).toBeUndefined();
    await timers.pass(1000);
    expect((await peer.tunnel.closed)!.code).toBe('tunnel.silent');
    expect(peer.accepted).toEqual([]);
  });

  test('of frames that are answered, to a peer that reads nothing, is cut at a bound (X-01)', async () => {
    const { agent, agentSocket, edge } = join({
      ofAgent: { limits: { queuedBytes: 100_000 } },
      onOpen: ({ stream }) => stream.answer({ status: 200, headers: ['x', 'y'.repeat(10_000)] }),
    });
    agentSocket.isStalled = true;
    for (let n = 0; n < 20; n += 1) edge.open(get, new Heard());
    expect((await agent.closed)!.code).toBe('tunnel.stalled');
  });
});

describe('frames of a stream that we reset', () => {
  test('are dropped until the peer has confirmed (S-16)', async () => {
    const peer = new RawPeer();
    const heard = new Heard();
    const stream = peer.tunnel.open(get, heard);
    stream.reset(Cancelled());
    peer.send(answerFrame(1), data(1, full), number(frameType.credit, 1, 8192));
    await peer.isOpen();
    expect(heard.log).toEqual([]);
    expect(peer.tunnel.openStreams).toBe(1);
    peer.send(confirmReset(1));
    await settled('it is forgotten', () => peer.tunnel.openStreams === 0);
    expect((await peer.breaks(data(1, full))).message).toContain('is over');
  });

  test('still count against its window (S-16)', async () => {
    const peer = new RawPeer();
    peer.tunnel.open(get, new Heard()).reset(Cancelled());
    const error = await peer.breaks(answerFrame(1), ...Array.from({ length: 5 }, () => data(1, full)));
    expect(error.message).toContain('window of a stream');
  });

  test('are an error only in this tunnel; others go on (S-16)', async () => {
    const [broken, other] = [new RawPeer(), new RawPeer()];
    await broken.breaks(data(8, full));
    await other.isOpen();
    expect(other.tunnel.isDraining).toBe(false);
  });

  test('are forgotten by a stray reset that the peer sent before it knew the end', async () => {
    const peer = new RawPeer();
    const stream = peer.tunnel.open(get, new Heard());
    stream.end();
    await quiet();
    peer.send(answerFrame(1), end(1), reset(1), number(frameType.credit, 1, 8192));
    await peer.isOpen();
    expect(peer.tunnel.openStreams).toBe(0);
    expect(stream.isEnded).toBe(true);
  });
});
