import { failure } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { data, openFrame, RawPeer } from '../test/support/raw-peer.ts';
import { type Accepted, FakeTimers, get, Heard, join, ok, quiet, settled } from '../test/support/tunnels.ts';
import { firstStreamWindow, firstTunnelWindow, mostDataBytes } from './frame.ts';

const Enough = failure('unavailable', 'test.enough', () => 'the test has seen enough');

/** Writes to the stream whenever there is room, until so many bytes are written. */
function pump({ stream, heard }: Accepted, bytes: number): { readonly written: () => number } {
  let written = 0;
  const write = () => {
    while (written < bytes) {
      const chunk = Buffer.alloc(Math.min(50_000, bytes - written), 'b');
      written += chunk.length;
      if (!stream.write(chunk)) return;
    }
    stream.end();
  };
  heard.drain = write;
  setImmediate(write);
  return { written: () => written };
}

const answered = { onOpen: ({ stream }: Accepted) => stream.answer(ok) };

describe('a reader that pauses', () => {
  test('holds back its own stream, at its window, and no other (W-11)', async () => {
    const { edge, accepted } = join(answered);
    const [slow, quick] = [new Heard(), new Heard()];
    const paused = edge.open(get, slow);
    paused.pause();
    edge.open(get, quick);
    await settled('both are there', () => accepted.length === 2);
    const held = pump(accepted[0]!, 10_000_000);
    pump(accepted[1]!, 10_000_000);
    await settled('the other has all', () => quick.log.at(-1) === 'end');
    expect(quick.length).toBe(10_000_000);
    expect(slow.length).toBe(0);
    expect(held.written()).toBeLessThan(firstStreamWindow + 131_072 + 50_000);
    paused.resume();
    await settled('it has all as well', () => slow.log.at(-1) === 'end');
    expect(slow.length).toBe(10_000_000);
  });

  test('is given what came in order, and may pause again in between', async () => {
    const { edge, accepted } = join(answered);
    const heard = new Heard();
    const stream = edge.open(get, heard);
    stream.pause();
    await settled('it is there', () => accepted.length === 1);
    const sent = Buffer.from(Array.from({ length: 60_000 }, (_, n) => n % 251));
    for (let at = 0; at < sent.length; at += 700) {
      accepted[0]!.stream.write(sent.subarray(at, at + 700));
      await quiet(1);
    }
    accepted[0]!.stream.end();
    await quiet();
    const keep = heard.data.bind(heard);
    heard.data = (chunk) => {
      keep(chunk);
      stream.pause();
    };
    expect(heard.length).toBe(0);
    for (let turn = 0; heard.log.at(-1) !== 'end' && turn < 1000; turn += 1) {
      const before = heard.chunks.length;
      stream.resume();
      expect(heard.chunks.length).toBeLessThanOrEqual(before + 1);
    }
    expect(heard.bytes.equals(sent)).toBe(true);
  });

  test('loses its stream when all paused ones together hold too much (X-01)', async () => {
    const limits = { bufferedBytes: 500_000 };
    const { edge, accepted } = join({ ...answered, limits });
    const heards = Array.from({ length: 10 }, () => new Heard());
    for (const heard of heards) edge.open(get, heard).pause();
    const lively = new Heard();
    edge.open(get, lively);
    await settled('all are there', () => accepted.length === 11);
    for (const each of accepted.slice(0, 10)) pump(each, 1_000_000);
    await settled('some were cut', () => heards.some(({ error }) => error !== undefined));
    await quiet();
    const cut = heards.filter(({ error }) => error !== undefined);
    expect(cut.map(({ error }) => error!.code)).toEqual(cut.map(() => 'tunnel.reader_too_slow'));
    expect(cut.length).toBeLessThan(10);
    pump(accepted[10]!, 1_000_000);
    await settled('others go on', () => lively.log.at(-1) === 'end');
  });

  test('keeps little memory for frames of one byte (S-16)', async () => {
    const heard = new Heard();
    let paused: Accepted | undefined;
    const peer = new RawPeer({
      accept: (stream, head) => {
        stream.pause();
        paused = { stream, head, heard };
        return heard;
      },
    });
    peer.send(openFrame(2), ...Array.from({ length: 60_000 }, (_, n) => data(2, Buffer.from([n % 256]))));
    await peer.isOpen();
    paused!.stream.resume();
    expect(heard.length).toBe(60_000);
    expect(heard.chunks.length).toBeLessThan(10);
  });
});

describe('a writer', () => {
  test('is asked to wait, and told when to go on', async () => {
    const { edge, accepted } = join(answered);
    const heard = new Heard();
    const stream = edge.open(get, heard);
    expect(stream.write(Buffer.alloc(131_071))).toBe(true);
    expect(stream.write(Buffer.alloc(1))).toBe(false);
    await settled('it may go on', () => heard.drains === 1);
    await settled('all came', () => accepted[0]?.heard.length === 131_072);
  });

  test('that uses a stream wrongly is told so', async () => {
    const { edge, accepted } = join();
    const stream = edge.open(get, new Heard());
    stream.end();
    expect(() => stream.write(Buffer.from('more'))).toThrow('after its end');
    expect(() => stream.answer(ok)).toThrow('answered twice');
    await settled('it is there', () => accepted.length === 1);
    expect(() => accepted[0]!.stream.write(Buffer.from('early'))).toThrow('before it was answered');
    accepted[0]!.stream.answer(ok);
    expect(() => accepted[0]!.stream.answer(ok)).toThrow('answered twice');
    accepted[0]!.stream.reset(Enough());
    accepted[0]!.stream.end(Buffer.from('into the void'));
  });
});

describe('fairness', () => {
  test('a small frame overtakes bulk data that waits for its turn', async () => {
    const { edge, accepted } = join(answered);
    const order: string[] = [];
    const bulk = Array.from({ length: 8 }, () => new Heard());
    for (const heard of bulk) {
      heard.data = (chunk) =>
        void order.push(...Array.from({ length: chunk.length > 0 ? 1 : 0 }, () => 'bulk'));
      edge.open(get, heard);
    }
    const watch = new Heard();
    watch.data = () => void order.push('watch');
    edge.open(get, watch);
    await settled('all are there', () => accepted.length === 9);
    for (const each of accepted.slice(0, 8)) each.stream.write(Buffer.alloc(60_000));
    accepted[8]!.stream.write(Buffer.from('event'));
    await settled('the event came', () => order.includes('watch'));
    // One frame of each of the others, and one that newcomers leave to those that had a turn.
    expect(order.indexOf('watch')).toBeLessThanOrEqual(9);
  });

  test('streams that send without end share evenly', async () => {
    const { edge, accepted } = join(answered);
    const heards = Array.from({ length: 5 }, () => new Heard());
    for (const heard of heards) edge.open(get, heard);
    await settled('all are there', () => accepted.length === 5);
    for (const each of accepted) pump(each, 20_000_000);
    await settled('much has come', () => heards.reduce((sum, { length }) => sum + length, 0) > 8_000_000);
    const lengths = heards.map(({ length }) => length);
    expect(Math.max(...lengths)).toBeLessThan(2 * Math.min(...lengths));
    edge.close(Enough());
  });

  test('no more than the window of the tunnel waits in the socket, in front of a small frame', async () => {
    const { edge, accepted, agentSocket } = join({ ...answered, timers: new FakeTimers() });
    edge.open(get, new Heard());
    await settled('it is there', () => accepted.length === 1);
    agentSocket.isStalled = true;
    pump(accepted[0]!, 50_000_000);
    await quiet();
    const underWay = agentSocket.written.reduce((sum, { length }) => sum + length, 0);
    expect(underWay).toBeGreaterThan(mostDataBytes);
    expect(underWay).toBeLessThan(firstTunnelWindow);
    edge.close(Enough());
  });
});
