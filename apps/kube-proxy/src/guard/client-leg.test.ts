import { type Duplex, duplexPair } from 'node:stream';
import { AppError } from '@postern/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Channel } from '../remote-command/command-end.ts';
import type { CommandRequest } from '../remote-command/command-request.ts';
import { websocketProtocols } from '../remote-command/websocket-protocols.ts';
import { encodeData, encodePing, encodeReset, encodeSynReply, encodeSynStream } from '../spdy/frames.ts';
import { HeaderBlockWriter } from '../spdy/header-block.ts';
import { encodeFrame, opcodes } from '../websocket/frames.ts';
import { ClientLeg } from './client-leg.ts';
import type { StreamWatch } from './stream-watch.ts';
import { watchSpdyCommand, watchWebSocketCommand } from './watch-command.ts';
import { watchPortChannels, watchSpdyPorts, watchTunnel } from './watch-port-forward.ts';

const request: CommandRequest = {
  container: '',
  command: ['sh'],
  stdin: true,
  stdout: true,
  stderr: false,
  tty: false,
};
const locked = new AppError('permission_denied', 'kube.locked', 'alice is locked');
const v5 = websocketProtocols['v5.channel.k8s.io']!;

interface Stage {
  /** What the client got. */
  readonly got: Buffer[];
  /** What was passed on to the server. */
  readonly passed: Buffer[];
  readonly refused: AppError[];
  readonly client: Duplex;
  readonly leg: ClientLeg;
}

function stage(watch: StreamWatch, settled: () => Promise<void> | undefined = () => undefined): Stage {
  const [client, socket] = duplexPair();
  const got: Buffer[] = [];
  const passed: Buffer[] = [];
  const refused: AppError[] = [];
  const leg = new ClientLeg(socket, watch, { settled, refused: (error) => refused.push(error) });
  client.on('data', (chunk: Buffer) => got.push(chunk));
  client.on('error', () => undefined);
  leg.on('data', (chunk: Buffer) => passed.push(chunk));
  return { got, passed, refused, client, leg };
}

const text = (chunks: readonly Buffer[]) => Buffer.concat(chunks).toString('latin1');
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const said: [Channel, string][] = [];
const observer = {
  fromClient: (channel: Channel, chunk: Buffer) => said.push([channel, chunk.toString()]),
  fromServer: (channel: Channel, chunk: Buffer) => said.push([channel, chunk.toString()]),
};
const message = (channel: number, payload: string, isMasked = false) =>
  encodeFrame(opcodes.binary, Buffer.from(String.fromCharCode(channel) + payload, 'latin1'), isMasked);

/** Frames of a SPDY client and its server, as they come after each other. */
class SpdyScript {
  readonly #client = new HeaderBlockWriter();
  readonly #server = new HeaderBlockWriter();

  open(id: number, headers: Record<string, string>): Buffer {
    return encodeSynStream(id, this.#client.write(new Map(Object.entries(headers))));
  }

  reply(id: number): Buffer {
    return encodeSynReply(id, this.#server.write(new Map()));
  }
}

beforeEach(() => {
  said.length = 0;
});

describe('a command over a WebSocket', () => {
  const open = () => stage(watchWebSocketCommand(v5, observer));

  test('passes unchanged, and what is said on its channels is told', async () => {
    const { client, leg, got, passed } = open();
    const input = Buffer.concat([
      message(4, '{"Width":80}', true),
      message(0, 'ls\n', true),
      message(255, '\0', true),
    ]);
    for (const byte of input) client.write(Buffer.from([byte]));
    leg.write(message(1, 'file\n'));
    await turn();
    expect(Buffer.concat(passed)).toEqual(input);
    expect(Buffer.concat(got)).toEqual(message(1, 'file\n'));
    const told = new Map<Channel, string>();
    for (const [channel, piece] of said) told.set(channel, (told.get(channel) ?? '') + piece);
    expect([...told]).toEqual(
      [
        ['stdout', 'file\n'],
        ['resize', '{"Width":80}'],
        ['stdin', 'ls\n'],
      ].toSorted(byOrderOf(said)),
    );
  });

  test('that is cut ends with a Status on its channel for errors, and a close that says the same', async () => {
    const { leg, got } = open();
    leg.cut(locked);
    await turn();
    expect(text(got)).toMatch(
      /^\x82.{1,3}\x03\{"kind":"Status".*"message":"alice is locked".*\}\x88\x11\x03\xf0alice is locked$/s,
    );
  });

  test('that is cut within a frame gets the rest of it first, and nothing of the next', async () => {
    const { leg, got } = open();
    const frame = message(1, 'unfinished');
    leg.write(frame.subarray(0, 5));
    await turn();
    leg.cut(locked);
    leg.write(Buffer.concat([frame.subarray(5), message(1, 'secret')]));
    leg.write(message(1, 'more'));
    await turn();
    expect(text(got)).toContain('unfinished');
    expect(text(got)).toContain('alice is locked');
    expect(text(got)).not.toMatch(/secret|more/);
  });

  test('that is cut passes nothing more from its client', async () => {
    const { client, leg, passed } = open();
    leg.cut(locked);
    client.write(message(0, 'rm -rf /\n', true));
    await turn();
    expect(passed).toEqual([]);
  });

  test.each([
    ['a compressed message (W-07)', Buffer.from([0xc2, 0x80, 0, 0, 0, 0])],
    ['a message for a channel that does not exist', message(9, 'x', true)],
    ['an unmasked message', message(0, 'x')],
    ['an empty message', encodeFrame(opcodes.binary, Buffer.alloc(0), true)],
  ])('with %s is ended before the server sees it', async (_, bytes) => {
    const { client, passed, refused } = open();
    client.write(bytes);
    await turn();
    expect(refused.map(({ code }) => code)).toEqual(['kube.websocket_violation']);
    expect(passed).toEqual([]);
  });

  test('of a server that breaks the protocol is closed', async () => {
    const { leg, refused, got } = open();
    leg.write(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'));
    await turn();
    expect(refused).toHaveLength(1);
    expect(leg.destroyed).toBe(true);
    expect(got).toEqual([]);
  });

  test('waits for its recorder before more is passed on (W-13)', async () => {
    let settle = () => undefined as void;
    const { leg, got } = stage(
      watchWebSocketCommand(v5, observer),
      () => new Promise<void>((resolve) => (settle = resolve)),
    );
    leg.write(message(1, 'output'));
    await turn();
    expect(got).toEqual([]);
    settle();
    await turn();
    expect(Buffer.concat(got)).toEqual(message(1, 'output'));
  });
});

describe('a command over SPDY', () => {
  const opened = async () => {
    const script = new SpdyScript();
    const scene = stage(watchSpdyCommand(request, observer));
    scene.client.write(
      Buffer.concat([script.open(1, { streamtype: 'error' }), script.open(3, { streamtype: 'stdout' })]),
    );
    await turn();
    scene.leg.write(Buffer.concat([script.reply(1), script.reply(3)]));
    await turn();
    scene.got.length = 0;
    return { ...scene, script };
  };

  test('tells what is said on its streams', async () => {
    const { leg, client, script } = await opened();
    leg.write(encodeData(3, Buffer.from('file\n')));
    client.write(
      Buffer.concat([script.open(5, { streamtype: 'stdin' }), encodeData(5, Buffer.from('ls\n'))]),
    );
    await turn();
    expect(said).toEqual(
      expect.arrayContaining([
        ['stdout', 'file\n'],
        ['stdin', 'ls\n'],
      ]),
    );
  });

  test('that is cut ends with a Status on its stream for errors, before its other streams end', async () => {
    const { leg, got } = await opened();
    leg.write(encodeData(3, Buffer.from('abc')).subarray(0, 9));
    leg.cut(locked);
    leg.write(Buffer.from('bc'));
    await turn();
    const frames = Buffer.concat(got);
    expect(frames.subarray(0, 11).toString('latin1')).toBe(
      encodeData(3, Buffer.from('abc')).toString('latin1'),
    );
    expect(frames.toString('latin1')).toMatch(/\{"kind":"Status".*alice is locked.*\}/);
    expect(frames.subarray(-8)).toEqual(encodeData(3, Buffer.alloc(0), true));
  });

  test.each<[string, (script: SpdyScript) => Buffer]>([
    ['a second stream of a type', (script) => script.open(5, { streamtype: 'stdout' })],
    ['a stream that was not asked for (W-05)', (script) => script.open(5, { streamtype: 'resize' })],
    ['a stream of no type', (script) => script.open(5, {})],
    ['a number that was used', (script) => script.open(3, { streamtype: 'stdin' })],
    ['a number of the server', (script) => script.open(4, { streamtype: 'stdin' })],
    ['a reply to nothing', (script) => script.reply(2)],
    ['thousands of pings (W-08)', () => Buffer.concat(Array.from({ length: 40_000 }, () => encodePing(1)))],
    [
      'thousands of resets (W-08)',
      () => Buffer.concat(Array.from({ length: 40_000 }, () => encodeReset(1, 5))),
    ],
  ])('with %s is ended', async (_, bytes) => {
    const { client, script, refused } = await opened();
    client.write(bytes(script));
    await turn();
    expect(refused[0]).toMatchObject({ code: 'kube.spdy_violation' });
  });
});

describe('a port-forward', () => {
  const pair = (script: SpdyScript, id: number, port: string, requestid = '0') =>
    Buffer.concat([
      script.open(id, { streamtype: 'error', port, requestid }),
      script.open(id + 2, { streamtype: 'data', port, requestid }),
    ]);

  test('passes connections to any port where its request names none', async () => {
    const script = new SpdyScript();
    const { client, passed, refused } = stage(watchSpdyPorts([]));
    const bytes = Buffer.concat([
      pair(script, 1, '80'),
      pair(script, 5, '65535', '1'),
      encodeData(3, Buffer.from('GET /')),
    ]);
    client.write(bytes);
    await turn();
    expect(refused).toEqual([]);
    expect(Buffer.concat(passed)).toEqual(bytes);
  });

  test.each([
    ['a port that was not asked for (W-09)', [80], '22', 'kube.port_not_asked'],
    ['port 0 (W-09)', [], '0', 'kube.invalid_port'],
    ['port 65536 (W-09)', [], '65536', 'kube.invalid_port'],
    ['a port in another spelling (W-09)', [80], '080', 'kube.invalid_port'],
    ['two ports in one header (W-09)', [], '80\u000022', 'kube.invalid_port'],
    ['no port (W-09)', [], '', 'kube.invalid_port'],
  ])('with a stream for %s is ended, and nothing of it passes', async (...[, asked, port, code]) => {
    const script = new SpdyScript();
    const { client, passed, refused } = stage(watchSpdyPorts(asked));
    client.write(pair(script, 1, port));
    await turn();
    expect(refused[0]).toMatchObject({ code });
    expect(passed).toEqual([]);
  });

  test('with two streams of a type for a connection is ended (W-09)', async () => {
    const script = new SpdyScript();
    const { client, refused } = stage(watchSpdyPorts([]));
    client.write(Buffer.concat([pair(script, 1, '80'), pair(script, 5, '80')]));
    await turn();
    expect(refused[0]).toMatchObject({ code: 'kube.spdy_violation' });
  });

  test('with more streams than anybody needs is ended (W-08)', async () => {
    const script = new SpdyScript();
    const { client, refused } = stage(watchSpdyPorts([]));
    for (let at = 0; at < 1100; at += 1) client.write(pair(script, 4 * at + 1, '80', String(at)));
    await turn();
    expect(refused[0]!.message).toContain('too many streams');
  });

  test('in a tunnel is watched alike, whatever messages its frames are cut into (W-09)', async () => {
    const script = new SpdyScript();
    const { client, refused } = stage(watchTunnel(watchSpdyPorts([80])));
    const good = pair(script, 1, '80');
    for (const byte of good) client.write(encodeFrame(opcodes.binary, Buffer.from([byte]), true));
    await turn();
    expect(refused).toEqual([]);
    client.write(encodeFrame(opcodes.binary, pair(script, 5, '22'), true));
    await turn();
    expect(refused[0]).toMatchObject({ code: 'kube.port_not_asked' });
  });

  test('in a tunnel that is cut says why on the streams for errors', async () => {
    const script = new SpdyScript();
    const { client, leg, got } = stage(watchTunnel(watchSpdyPorts([])));
    client.write(encodeFrame(opcodes.binary, pair(script, 1, '80'), true));
    await turn();
    leg.write(encodeFrame(opcodes.binary, Buffer.concat([script.reply(1), script.reply(3)])));
    await turn();
    leg.cut(locked);
    await turn();
    expect(text(got)).toContain(encodeData(1, Buffer.from('alice is locked'), true).toString('latin1'));
  });

  test('over channels may use those of its ports alone (W-09)', async () => {
    const { client, passed, refused } = stage(watchPortChannels([80, 443]));
    client.write(message(2, 'hello', true));
    await turn();
    expect(passed).toHaveLength(1);
    client.write(message(4, 'hello', true));
    await turn();
    expect(refused[0]).toMatchObject({ code: 'kube.websocket_violation' });
  });
});

describe('a quiet client', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
  afterEach(() => void vi.useRealTimers());
  const pong = encodeFrame(opcodes.pong, Buffer.alloc(0), true);
  const quarter = async () => {
    vi.advanceTimersByTime(15_000);
    await turn();
  };

  test('that answers is pinged every 15 seconds and kept (W-11)', async () => {
    const { client, got, refused } = stage(watchWebSocketCommand(v5, observer));
    for (let turns = 0; turns < 40; turns += 1) {
      await quarter();
      client.write(pong);
      await turn();
    }
    expect(got).toHaveLength(40);
    expect(refused).toEqual([]);
  });

  test('that answered once and then does not is gone within half a minute of the next ping (W-11)', async () => {
    const { client, leg, refused } = stage(watchWebSocketCommand(v5, observer));
    await quarter();
    client.write(pong);
    await turn();
    await quarter();
    await quarter();
    expect(refused).toEqual([]);
    await quarter();
    expect(refused[0]).toMatchObject({ code: 'kube.client_lost' });
    expect(leg.destroyed).toBe(true);
  });

  test('that never answers is kept, since not every client does (W-11)', async () => {
    const { refused } = stage(watchWebSocketCommand(v5, observer));
    for (let turns = 0; turns < 20; turns += 1) await quarter();
    expect(refused).toEqual([]);
  });

  test('that has output to read first is kept (W-11)', async () => {
    const { client, leg, refused } = stage(watchWebSocketCommand(v5, observer));
    await quarter();
    client.write(pong);
    await turn();
    leg.write(message(1, 'a screen that somebody reads slowly'));
    for (let turns = 0; turns < 20; turns += 1) await quarter();
    expect(refused).toEqual([]);
  });
});

test('a client that does not read holds its server up, and nothing piles up in between (W-11)', async () => {
  const { client, leg } = stage(watchWebSocketCommand(v5, observer));
  client.pause();
  await turn();
  const chunk = message(1, 'x'.repeat(16_384));
  let written = 0;
  while (written < 1000 && leg.write(chunk)) {
    written += 1;
    await turn();
  }
  expect(written).toBeLessThan(20);
});

function byOrderOf(pieces: readonly [Channel, string][]): (a: string[], b: string[]) => number {
  const order = pieces.map(([channel]) => channel as string);
  return (a, b) => order.indexOf(a[0]!) - order.indexOf(b[0]!);
}
