import { encodeFrame, type MessagePart, opcodes, WebSocketViolation } from '../websocket/frames.ts';
import type { Channel } from './command-end.ts';
import { channelNumbers, closeChannel, type CommandProtocol } from './websocket-protocols.ts';

const maxBase64Bytes = 1024 * 1024;

/** Reads the messages of one direction: data of which channel, and which channel has ended. */
export class ChannelMessages {
  readonly #protocol: CommandProtocol;
  readonly #events: { data(channel: Channel, chunk: Buffer): void; finished(channel: Channel): void };
  /** The channel of the message under way; undefined before its number came. */
  #channel: number | undefined;
  #text: Buffer[] = [];
  #textBytes = 0;

  constructor(
    protocol: CommandProtocol,
    events: { data(channel: Channel, chunk: Buffer): void; finished(channel: Channel): void },
  ) {
    this.#protocol = protocol;
    this.#events = events;
  }

  /** Takes a piece of a message. Throws WebSocketViolation for channels that do not exist. */
  piece(chunk: Buffer, part: MessagePart): void {
    if (part.isFirst) this.#channel = undefined;
    if (this.#protocol.isBase64) this.#textPiece(chunk, part.isLast);
    else this.#binaryPiece(chunk, part.isLast);
  }

  #binaryPiece(chunk: Buffer, isLast: boolean): void {
    if (this.#channel !== undefined) this.#payload(this.#channel, chunk);
    else if (chunk.length > 0) {
      this.#channel = chunk[0]!;
      this.#payload(this.#channel, chunk.subarray(1));
    } else if (isLast) throw WebSocketViolation('a message names no channel');
  }

  /** Four characters belong together, so a message is read whole. */
  #textPiece(chunk: Buffer, isLast: boolean): void {
    this.#textBytes += chunk.length;
    if (this.#textBytes > maxBase64Bytes) throw WebSocketViolation('a base64 message is too long');
    this.#text.push(chunk);
    if (!isLast) return;
    const text = Buffer.concat(this.#text.splice(0)).toString('latin1');
    this.#textBytes = 0;
    if (!/^[0-4]/.test(text)) throw WebSocketViolation('a message names no channel');
    this.#payload(Number(text[0]), Buffer.from(text.slice(1), 'base64'));
  }

  #payload(number: number, payload: Buffer): void {
    if (number === closeChannel && this.#protocol.closesChannels) {
      for (const closed of payload) this.#events.finished(channelAt(closed));
      return;
    }
    const channel = channelAt(number);
    if (payload.length > 0) this.#events.data(channel, payload);
  }
}

function channelAt(number: number): Channel {
  const channel = channelNumbers[number];
  if (channel === undefined) throw WebSocketViolation('a message is for a channel that does not exist');
  return channel;
}

/** The opcode and payload of a message on a channel. */
export function encodeMessage(
  { isBase64 }: CommandProtocol,
  channel: Channel,
  chunk: Buffer,
): [number, Buffer] {
  const number = channelNumbers.indexOf(channel);
  if (isBase64) return [opcodes.text, Buffer.from(`${number}${chunk.toString('base64')}`)];
  return [opcodes.binary, Buffer.concat([Buffer.from([number]), chunk])];
}

/** The same as a frame of a server. */
export function encodeMessageFrame(protocol: CommandProtocol, channel: Channel, chunk: Buffer): Buffer {
  return encodeFrame(...encodeMessage(protocol, channel, chunk));
}

/** Says that a channel has ended. */
export function encodeChannelEnd(channel: Channel): [number, Buffer] {
  return [opcodes.binary, Buffer.from([closeChannel, channelNumbers.indexOf(channel)])];
}
