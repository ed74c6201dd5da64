import { Readable } from 'node:stream';
import type { OpenHead, StreamEvents, TunnelStream } from '@postern/tunnel';
import { pingPath } from '../../edge/tunnels/tunnel-upstream.ts';
import { declaresBody } from '../../listen/exchange.ts';
import type { Peer } from '../../listen/peer.ts';
import type { FrontHandlers } from '../../listen/tls-front.ts';
import { TunnelAnswer } from './tunnel-answer.ts';
import { TunnelBody } from './tunnel-body.ts';
import { TunnelUpgradeAnswer } from './tunnel-upgrade-answer.ts';

const nothing = () => undefined;

/** Takes a stream that an edge opened, as the request that its head is. `peer` is the edge at the other end of the tunnel. */
export function acceptStream(
  handlers: FrontHandlers,
  peer: Peer,
  stream: TunnelStream,
  head: OpenHead,
): StreamEvents {
  if (head.path === pingPath) return answerPing(stream);
  if (head.upgrade !== undefined) return acceptUpgrade(handlers, peer, stream, head);
  const hasBody = declaresBody(head.headers);
  const body = hasBody ? new TunnelBody(stream) : undefined;
  const answer = new TunnelAnswer(stream);
  body?.on('error', nothing);
  const { method, path: target, headers: rawHeaders } = head;
  handlers.request({ method, target, rawHeaders, hasBody, body: body ?? emptyBody, peer, answer });
  return {
    data: (chunk) => {
      // A head that speaks of no body has none, whatever follows it.
      if (body && !body.push(chunk)) stream.pause();
    },
    end: () => void body?.push(null),
    reset: (error) => {
      body?.destroy(error);
      answer.closed();
    },
    drain: () => answer.drained(),
  };
}

// Nobody reads the body of a request that has none.
const emptyBody = Readable.from([]);

function acceptUpgrade(
  handlers: FrontHandlers,
  peer: Peer,
  stream: TunnelStream,
  { method, path, headers, upgrade }: OpenHead,
): StreamEvents {
  const answer = new TunnelUpgradeAnswer(stream);
  const rawHeaders = [...headers, 'upgrade', upgrade!];
  // What is joined hears the stream by itself, which must not be undone when we say below who hears it until then.
  queueMicrotask(() => handlers.upgrade({ method, target: path, rawHeaders, peer, answer }));
  return { data: nothing, end: nothing, reset: () => answer.closed(), drain: nothing };
}

function answerPing(stream: TunnelStream): StreamEvents {
  stream.answer({ status: 204, headers: [] });
  stream.end();
  return { data: nothing, end: nothing, reset: nothing, drain: nothing };
}
