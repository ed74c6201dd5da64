import { statusBody } from '@postern/kube';
import { ChannelMessages, encodeMessageFrame } from '../remote-command/channel-messages.ts';
import type { Channel } from '../remote-command/command-end.ts';
import type { CommandRequest } from '../remote-command/command-request.ts';
import { streamsOf } from '../remote-command/spdy-end.ts';
import type { CommandProtocol } from '../remote-command/websocket-protocols.ts';
import { SpdyViolation } from '../spdy/violation.ts';
import { closeCodes, encodeClose } from '../websocket/frames.ts';
import { SpdyWatch } from './spdy-watch.ts';
import { WebSocketWatch } from './websocket-watch.ts';

/** Told what the two sides of a command say. What a client writes to an output of the command is none of it. */
export interface CommandObserver {
  fromClient(channel: Channel, chunk: Buffer): void;
  fromServer(channel: Channel, chunk: Buffer): void;
}

/** Watches a command over a WebSocket. */
export function watchWebSocketCommand(protocol: CommandProtocol, observer: CommandObserver): WebSocketWatch {
  const nothing = () => undefined;
  const client = new ChannelMessages(protocol, {
    data: (channel, chunk) => observer.fromClient(channel, chunk),
    finished: nothing,
  });
  const server = new ChannelMessages(protocol, {
    data: (channel, chunk) => observer.fromServer(channel, chunk),
    finished: nothing,
  });
  return new WebSocketWatch({
    mayPart: true,
    fromClient: (chunk, part) => client.piece(chunk, part),
    fromServer: (chunk, part) => server.piece(chunk, part),
    parting: (error) =>
      Buffer.concat([
        encodeMessageFrame(protocol, 'error', Buffer.from(statusBody(error))),
        encodeClose(closeCodes.policyViolation, error.message),
      ]),
  });
}

/** Watches a command over SPDY: exactly the streams that its request asks for, each once. */
export function watchSpdyCommand(request: CommandRequest, observer: CommandObserver): SpdyWatch<Channel> {
  const expected = streamsOf(request);
  return new SpdyWatch<Channel>({
    maxStreams: expected.length,
    admit: (headers, open) => {
      const channel = expected.find((each) => each === headers.get('streamtype'));
      if (!channel || open.includes(channel))
        throw SpdyViolation('a stream is of a type that was not asked for, or is there twice');
      return channel;
    },
    fromClient: (channel, chunk) => observer.fromClient(channel, chunk),
    fromServer: (channel, chunk) => observer.fromServer(channel, chunk),
    parting: (channel, error) => (channel === 'error' ? Buffer.from(statusBody(error)) : undefined),
  });
}
