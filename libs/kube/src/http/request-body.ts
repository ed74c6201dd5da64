import type { Readable } from 'node:stream';
import type { Socket } from 'node:net';
import { errors } from 'undici';

/** A body under way to a server. */
export interface SendingBody {
  readonly isSent: boolean;
  stop(): void;
}

export const nothingToSend: SendingBody = { isSent: true, stop: () => undefined };

export interface BodyEvents {
  sent(): void;
  failed(error: Error): void;
}

/** Writes a body as it comes, at the speed of the server: of the length that was declared, or in chunks. */
export function sendBody(
  socket: Socket,
  body: Readable,
  length: number | undefined,
  events: BodyEvents,
): SendingBody {
  let left = length;
  let isSent = false;
  const resume = () => body.resume();
  const stop = () => {
    body.off('data', send);
    body.off('end', end);
    socket.off('drain', resume);
  };
  const fail = (error: Error) => {
    stop();
    events.failed(error);
  };
  const send = (chunk: Buffer) => {
    if (chunk.length === 0) return;
    if (left !== undefined) {
      left -= chunk.length;
      // A longer body would be read as the next request.
      if (left < 0) return fail(new errors.RequestContentLengthMismatchError());
    }
    if (!writePart(socket, chunk, left === undefined)) body.pause();
  };
  const end = () => {
    if (left !== undefined && left > 0) return fail(new errors.RequestContentLengthMismatchError());
    if (left === undefined) socket.write('0\r\n\r\n', 'latin1');
    isSent = true;
    stop();
    events.sent();
  };
  socket.on('drain', resume);
  body.on('data', send);
  body.once('end', end);
  body.once('error', fail);
  body.once('close', () => {
    if (!isSent && !body.readableEnded) fail(new errors.RequestAbortedError());
  });
  return {
    get isSent() {
      return isSent;
    },
    stop,
  };
}

function writePart(socket: Socket, chunk: Buffer, isChunked: boolean): boolean {
  if (!isChunked) return socket.write(chunk);
  socket.cork();
  socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
  socket.write(chunk);
  const isFree = socket.write('\r\n', 'latin1');
  socket.uncork();
  return isFree;
}
