import { type AppError, failure } from '@postern/core';
import { endFlag, frameType, headerBytes } from '../../src/frame.ts';
import { FrameReader } from '../../src/frame-reader.ts';
import { packAnswer, packOpen, writePieces } from '../../src/head.ts';
import { type AnswerHead, type OpenHead, Tunnel, type TunnelOptions } from '../../src/index.ts';
import { tellError } from '../../src/told-error.ts';
import { type MemorySocket, socketPair } from './pair.ts';
import { type Accepted, get, Heard, ok, settled } from './tunnels.ts';

/** Why a test's peer gives a stream up. */
export const PeerGaveUp = failure('unavailable', 'test.peer_gave_up', () => 'the peer gave up');

/** A frame as bytes, with whatever in it. */
export function frame(type: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(headerBytes + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes.writeUInt32BE(stream, 4);
  bytes.set(payload, headerBytes);
  return bytes;
}

export function number(type: number, stream: number, value: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value);
  return frame(type, stream, payload);
}

export function openFrame(stream: number, head: OpenHead = get): Buffer {
  const packed = packOpen(head);
  const payload = Buffer.alloc(packed.bytes);
  writePieces(packed, payload, 0);
  return frame(frameType.open, stream, payload);
}

export function answerFrame(stream: number, head: AnswerHead = ok): Buffer {
  const packed = packAnswer(head);
  const payload = Buffer.alloc(packed.bytes + 2);
  payload.writeUInt16BE(head.status);
  writePieces(packed, payload, 2);
  return frame(frameType.answer, stream, payload);
}

export const data = (stream: number, bytes: Uint8Array) => frame(frameType.data, stream, bytes);
export const end = (stream: number) => frame(frameType.data | endFlag, stream);
export const reset = (stream: number) => frame(frameType.reset, stream, tellError(PeerGaveUp()));
export const confirmReset = (stream: number) => frame(frameType.reset, stream);

/** A tunnel whose peer writes whatever bytes it likes. The tunnel dialled: its own streams are odd, the peer's even. */
export class RawPeer {
  readonly tunnel: Tunnel;
  readonly accepted: Accepted[] = [];
  readonly reported: unknown[] = [];
  /** What the tunnel sent, `type stream length`, pings left out. */
  readonly got: string[] = [];
  readonly #socket: MemorySocket;

  constructor(options: Partial<TunnelOptions> = {}) {
    const [own, socket] = socketPair();
    this.#socket = socket;
    const accept: TunnelOptions['accept'] = (stream, head) => {
      const one = { stream, head, heard: new Heard() };
      this.accepted.push(one);
      return one.heard;
    };
    const report = (error: unknown) => void this.reported.push(error);
    this.tunnel = new Tunnel(own, { side: 'dialer', accept, report, ...options });
    const note = (type: number, stream: number, length: number) => {
      const isPing = type === frameType.ping;
      if (!isPing) this.got.push(`${type} ${stream} ${length}`);
    };
    const reader = new FrameReader({
      dataBegins: (stream, length, isLast) =>
        note(isLast ? frameType.data | endFlag : frameType.data, stream, length),
      dataPart: () => undefined,
      dataEnds: () => undefined,
      frame: (type, stream, payload) => note(type, stream, payload.length),
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
  }

  send(...frames: Buffer[]): void {
    this.#socket.write(Buffer.concat(frames));
  }

  /** Sends and returns why the tunnel was closed. */
  async breaks(...frames: Buffer[]): Promise<AppError> {
    this.send(...frames);
    const error = await this.tunnel.closed;
    if (error === undefined) throw new Error('the tunnel ended without an error');
    return error;
  }

  async isOpen(): Promise<void> {
    const before = this.got.length;
    this.send(number(frameType.ping, 0, 77));
    await settled('a ping is answered', () => this.got.slice(before).includes(`${frameType.pong} 0 4`));
  }
}
