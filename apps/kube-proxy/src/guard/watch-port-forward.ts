import { parsePort, PortNotAsked } from '../port-forward/forwarded-ports.ts';
import { SpdyViolation } from '../spdy/violation.ts';
import { closeCodes, encodeClose, encodeFrame, opcodes, WebSocketViolation } from '../websocket/frames.ts';
import { SpdyWatch } from './spdy-watch.ts';
import type { StreamWatch } from './stream-watch.ts';
import { WebSocketWatch } from './websocket-watch.ts';

/** One of the two streams that a forwarded connection has. */
interface PortStream {
  readonly type: 'data' | 'error';
  readonly port: number;
  readonly requestId: string;
}

const maxStreams = 2048;
const maxRequestIdBytes = 64;
const nothing = () => undefined;

/**
 * Watches a port-forward over SPDY. Each stream names its port: it has to be one, and of those that the request was decided for
 * where it names any.
 */
export function watchSpdyPorts(asked: readonly number[]): SpdyWatch<PortStream> {
  return new SpdyWatch<PortStream>({
    maxStreams,
    admit: (headers, open) => {
      const stream = portStreamOf(headers);
      if (asked.length > 0 && !asked.includes(stream.port)) throw PortNotAsked(stream.port);
      const isSame = (each: PortStream) => each.type === stream.type && each.requestId === stream.requestId;
      if (open.some(isSame)) throw SpdyViolation('a connection has two streams of a type');
      return stream;
    },
    fromClient: nothing,
    fromServer: nothing,
    parting: ({ type }, error) => (type === 'error' ? Buffer.from(error.message) : undefined),
  });
}

function portStreamOf(headers: ReadonlyMap<string, string>): PortStream {
  const type = headers.get('streamtype');
  if (type !== 'data' && type !== 'error')
    throw SpdyViolation('a stream of a port-forward is neither for data nor for errors');
  const requestId = headers.get('requestid') ?? '';
  if (requestId.length > maxRequestIdBytes) throw SpdyViolation('the id of a connection is too long');
  return { type, port: parsePort(headers.get('port') ?? ''), requestId };
}

/** The same in the binary messages of a WebSocket. */
export function watchTunnel(inner: SpdyWatch<PortStream>): WebSocketWatch {
  return new WebSocketWatch({
    get mayPart() {
      return inner.mayPart;
    },
    fromClient: (chunk) => inner.fromClient(chunk),
    fromServer: (chunk) => {
      for (let at = 0; at < chunk.length;) at = inner.fromServer(chunk, at);
    },
    // Without a close: what a client of SPDY has not read when its connection ends is lost.
    parting: (error) => encodeFrame(opcodes.binary, inner.parting(error)),
  });
}

/** Watches a port-forward over a WebSocket with two channels for each port of its request. */
export function watchPortChannels(asked: readonly number[]): StreamWatch {
  const check = (chunk: Buffer, { isFirst }: { isFirst: boolean }) => {
    if (isFirst && (chunk[0] ?? Infinity) >= 2 * asked.length)
      throw WebSocketViolation('a message is for a channel that does not exist');
  };
  return new WebSocketWatch({
    mayPart: true,
    fromClient: check,
    fromServer: nothing,
    parting: (error) =>
      Buffer.concat([
        ...asked.map((_, at) => {
          const message = Buffer.concat([Buffer.from([2 * at + 1]), Buffer.from(error.message)]);
          return encodeFrame(opcodes.binary, message);
        }),
        encodeClose(closeCodes.policyViolation, error.message),
      ]),
  });
}
