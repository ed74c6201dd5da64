import { createHash, randomBytes } from 'node:crypto';
import { type Duplex, duplexPair } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { Channel, CommandEnd, CommandEvents } from './command-end.ts';
import type { CommandRequest } from './command-request.ts';
import { joinCommand } from './join-command.ts';
import { SpdyCommandEnd } from './spdy-end.ts';
import { WebSocketCommandEnd } from './websocket-end.ts';
import { websocketProtocols } from './websocket-protocols.ts';

type Open = (stream: Duplex, role: 'client' | 'server', events: CommandEvents) => CommandEnd;

const request: CommandRequest = {
  container: '',
  command: ['sh'],
  stdin: true,
  stdout: true,
  stderr: true,
  tty: false,
};
const terminal = { ...request, stderr: false, tty: true };
const success = JSON.stringify({ kind: 'Status', status: 'Success' });

/** One side as a test drives it: what came on each channel, and what ended. */
class Peer {
  readonly received = new Map<Channel, Buffer[]>();
  readonly finished: Channel[] = [];
  readonly #waiting: (() => void)[] = [];
  isReady = false;
  isClosed = false;
  readonly end: CommandEnd;

  constructor(open: (events: CommandEvents) => CommandEnd) {
    const changed = () => this.#waiting.splice(0).forEach((resolve) => resolve());
    this.end = open({
      ready: () => {
        this.isReady = true;
        changed();
      },
      data: (channel, chunk) => {
        this.received.set(channel, [...(this.received.get(channel) ?? []), chunk]);
        changed();
      },
      finished: (channel) => {
        this.finished.push(channel);
        changed();
      },
      drained: changed,
      closed: () => {
        this.isClosed = true;
        changed();
      },
    });
  }

  text(channel: Channel): string {
    return Buffer.concat(this.received.get(channel) ?? []).toString();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

const overSpdy =
  (asked: CommandRequest): Open =>
  (stream, role, events) =>
    new SpdyCommandEnd(stream, asked, role, events);
const overWebSocket =
  (version: string): Open =>
  (stream, role, events) =>
    new WebSocketCommandEnd(stream, websocketProtocols[version]!, role, events);

function joined(
  clientProtocol: Open,
  serverProtocol: Open,
  asked: CommandRequest,
): { client: Peer; server: Peer } {
  const [clientFar, clientNear] = duplexPair();
  const [serverNear, serverFar] = duplexPair();
  joinCommand(
    asked,
    (events) => clientProtocol(clientNear, 'server', events),
    (events) => serverProtocol(serverNear, 'client', events),
  );
  return {
    client: new Peer((events) => clientProtocol(clientFar, 'client', events)),
    server: new Peer((events) => serverProtocol(serverFar, 'server', events)),
  };
}

describe.each<[string, (asked: CommandRequest) => Open, (asked: CommandRequest) => Open]>([
  ['v5 over a WebSocket, the API server SPDY', () => overWebSocket('v5.channel.k8s.io'), overSpdy],
  ['SPDY, the API server v5 over a WebSocket', overSpdy, () => overWebSocket('v5.channel.k8s.io')],
])('where the client speaks %s', (_, clientProtocol, serverProtocol) => {
  const join = (asked: CommandRequest) => joined(clientProtocol(asked), serverProtocol(asked), asked);

  test('input arrives, and its end alone while output goes on (W-12)', async () => {
    const { client, server } = join(request);
    await client.until(() => client.isReady);
    client.end.send('stdin', Buffer.from('question'));
    client.end.finish('stdin');
    await server.until(() => server.finished.includes('stdin'));
    expect(server.text('stdin')).toBe('question');
    server.end.send('stdout', Buffer.from('answer'));
    await client.until(() => client.text('stdout') === 'answer');
    expect(client.isClosed).toBe(false);
  });

  test('outputs stay apart, and how it ended comes whole and last (W-12)', async () => {
    const { client, server } = join(request);
    await server.until(() => server.isReady);
    const status = JSON.stringify({
      kind: 'Status',
      status: 'Failure',
      reason: 'NonZeroExitCode',
      code: 500,
    });
    server.end.send('stdout', Buffer.from('out'));
    server.end.send('stderr', Buffer.from('err'));
    server.end.send('error', Buffer.from(status.slice(0, 10)));
    server.end.send('error', Buffer.from(status.slice(10)));
    for (const channel of ['stdout', 'stderr', 'error'] as const) server.end.finish(channel);
    server.end.close();
    await client.until(() => client.finished.length === 3);
    expect([client.text('stdout'), client.text('stderr'), client.text('error')]).toEqual([
      'out',
      'err',
      status,
    ]);
  });

  test('a size that is sent before anything else arrives (W-12)', async () => {
    const { client, server } = join(terminal);
    await client.until(() => client.isReady);
    const size = JSON.stringify({ Width: 77, Height: 33 });
    client.end.send('resize', Buffer.from(size));
    await server.until(() => server.text('resize') === size);
    expect(server.received.has('stdin')).toBe(false);
  });

  test('megabytes pass unchanged both ways while each side waits for the other (W-11)', async () => {
    const { client, server } = join(request);
    const bytes = randomBytes(8 * 1024 * 1024);
    const sendAll = async (from: Peer, channel: Channel) => {
      await from.until(() => from.isReady);
      for (let at = 0; at < bytes.length; at += 32_768)
        from.end.send(channel, bytes.subarray(at, at + 32_768));
    };
    await Promise.all([sendAll(client, 'stdin'), sendAll(server, 'stdout')]);
    const size = (peer: Peer, channel: Channel) =>
      (peer.received.get(channel) ?? []).reduce((sum, chunk) => sum + chunk.length, 0);
    await server.until(() => size(server, 'stdin') === bytes.length);
    await client.until(() => size(client, 'stdout') === bytes.length);
    const digest = (chunks: readonly Buffer[]) =>
      createHash('sha256').update(Buffer.concat(chunks)).digest('hex');
    expect(digest(server.received.get('stdin')!)).toBe(digest([bytes]));
    expect(digest(client.received.get('stdout')!)).toBe(digest([bytes]));
  });

  test('a server that leaves without a word is told as an error, and one that was content is not', async () => {
    const lost = join(request);
    await lost.server.until(() => lost.server.isReady);
    lost.server.end.destroy();
    await lost.client.until(() => lost.client.isClosed);
    expect(lost.client.text('error')).toContain('without saying how the command ended');
    const content = join(request);
    await content.server.until(() => content.server.isReady);
    content.server.end.send('error', Buffer.from(success));
    content.server.end.finish('error');
    content.server.end.close();
    await content.client.until(() => content.client.isClosed);
    expect(content.client.text('error')).toBe(success);
  });

  test('a client that leaves takes the server along', async () => {
    const { client, server } = join(request);
    await client.until(() => client.isReady);
    client.end.destroy();
    await server.until(() => server.isClosed);
    expect(server.finished).toContain('stdin');
  });
});

test('a command over v4 in base64 is translated as well (W-05)', async () => {
  const { client, server } = joined(overWebSocket('v4.base64.channel.k8s.io'), overSpdy(request), request);
  await client.until(() => client.isReady);
  client.end.send('stdin', Buffer.from([0, 255, 10]));
  await server.until(() => server.received.has('stdin'));
  expect(server.received.get('stdin')).toEqual([Buffer.from([0, 255, 10])]);
});
