import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { get, Heard, join, quiet, settled } from '../test/support/tunnels.ts';
import { duplexOf } from './duplex.ts';

async function upgraded() {
  let far!: Duplex;
  const joined = join({
    onOpen: ({ stream }) => {
      setImmediate(() => {
        stream.answer({ status: 101, headers: ['upgrade', 'websocket'] });
        far = duplexOf(stream);
      });
    },
  });
  const heard = new Heard();
  const stream = joined.edge.open({ ...get, upgrade: 'websocket' }, heard);
  await settled('it is upgraded', () => heard.head?.status === 101);
  const near = duplexOf(stream);
  // As with every socket: an error that nobody listens to ends the process.
  for (const socket of [near, far]) socket.on('error', () => undefined);
  return { ...joined, near, far };
}

/** Reads to the end and leaves the other direction alone, unlike the iterator of a socket. */
async function readAll(socket: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

describe('an upgraded stream', () => {
  test('ends its two directions apart from each other', async () => {
    const { near, far, edge, agent } = await upgraded();
    near.end('stdin');
    expect(String(await readAll(far))).toBe('stdin');
    expect(far.writable).toBe(true);
    far.end('stdout, later');
    expect(String(await readAll(near))).toBe('stdout, later');
    await settled('nothing is left', () => edge.openStreams + agent.openStreams === 0);
  });

  test('carries more than any window, at the pace of its reader', async () => {
    const { near, far } = await upgraded();
    const sent = Buffer.alloc(5_000_000, 'postern');
    near.on('data', () => undefined);
    near.end(sent);
    await quiet();
    expect(near.writableFinished).toBe(false);
    expect((await readAll(far)).equals(sent)).toBe(true);
  });

  test('that is destroyed resets the stream and the socket at the other end', async () => {
    const { near, far, edge, agent } = await upgraded();
    const failed = once(far, 'error');
    far.on('data', () => undefined);
    near.destroy();
    expect(String((await failed)[0])).toContain('broken off');
    await settled('nothing is left', () => edge.openStreams + agent.openStreams === 0);
  });

  test('is destroyed with the tunnel', async () => {
    const { near, edgeSocket } = await upgraded();
    const failed = once(near, 'error');
    edgeSocket.destroy();
    expect((await failed)[0]).toMatchObject({ code: 'tunnel.lost' });
  });
});
