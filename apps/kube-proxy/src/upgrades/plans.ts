import { joinBytes, type UpgradePlan } from '../forward/upgrade.ts';
import type { UpstreamRequest } from '../forward/upstream.ts';
import { askedPorts } from '../port-forward/forwarded-ports.ts';
import { joinChannels } from '../port-forward/join-channels.ts';
import { joinTunnel } from '../port-forward/join-tunnel.ts';
import { spdyPortProtocol, tunnelProtocol } from '../port-forward/protocols.ts';
import { commandRequestOf } from '../remote-command/command-request.ts';
import { joinCommand } from '../remote-command/join-command.ts';
import { SpdyCommandEnd } from '../remote-command/spdy-end.ts';
import { WebSocketCommandEnd } from '../remote-command/websocket-end.ts';
import { websocketProtocols } from '../remote-command/websocket-protocols.ts';
import type { RequestInfo } from '../request/request-info.ts';
import { newKey } from '../websocket/handshake.ts';
import {
  agreedHeaders,
  chosenProtocol,
  spdyCommandProtocol,
  spdyOffer,
  type StreamHandshake,
  switchHeaders,
  websocketOffer,
} from './handshake.ts';

/** A request for an upgrade that still lacks its handshake. */
export interface PlannedRequest {
  readonly info: RequestInfo;
  readonly request: UpstreamRequest;
  readonly handshake: StreamHandshake;
}

/** Asks for just what the client asks for, and joins the bytes. */
export function planAsAsked({ request, handshake }: PlannedRequest): UpgradePlan {
  return {
    request: asking(request, request.method, handshake.headers),
    protocol: handshake.protocol,
    clientProtocol: handshake.protocol,
    agreed: (headers) => agreedHeaders(handshake, headers),
    join: joinBytes,
  };
}

/** Asks for the other protocol and translates; undefined where there is nothing to translate. */
export function planTranslated(planned: PlannedRequest): UpgradePlan | undefined {
  const { kind, protocol } = planned.handshake;
  if (kind === 'opaque') return undefined;
  return protocol === 'websocket' ? overSpdy(planned) : overWebSocket(planned);
}

/** The API server speaks SPDY, the client a WebSocket. */
function overSpdy({ info, request, handshake }: PlannedRequest): UpgradePlan {
  const { kind, offered } = handshake;
  const version = kind === 'command' ? spdyCommandProtocol : spdyPortProtocol;
  const asked = askSpdy(version);
  return {
    request: asking(request, 'POST', asked.headers),
    protocol: 'SPDY/3.1',
    clientProtocol: handshake.protocol,
    agreed: (headers) => {
      chosenProtocol(asked, headers);
      return switchHeaders(handshake, offered[0]!);
    },
    join: (client, server) => {
      if (kind === 'command') {
        const command = commandRequestOf(info);
        joinCommand(
          command,
          (events) => new WebSocketCommandEnd(client, websocketProtocols[offered[0]!]!, 'server', events),
          (events) => new SpdyCommandEnd(server, command, 'client', events),
        );
      } else if (offered[0] === tunnelProtocol) joinTunnel(client, 'server', server);
      else joinChannels(client, server, askedPorts(info));
    },
    endsClient: true,
  };
}

/** The API server speaks WebSocket, the client SPDY. */
function overWebSocket({ info, request, handshake }: PlannedRequest): UpgradePlan {
  const { kind, offered } = handshake;
  const asked = askWebSocket(
    kind === 'command' ? ['v5.channel.k8s.io', 'v4.channel.k8s.io'] : [tunnelProtocol],
  );
  return {
    request: asking(request, 'GET', asked.headers),
    protocol: 'websocket',
    clientProtocol: handshake.protocol,
    agreed: (headers) => {
      chosenProtocol(asked, headers);
      return switchHeaders(handshake, offered[0]!);
    },
    join: (client, server, headers) => {
      if (kind === 'portforward') joinTunnel(server, 'client', client);
      else {
        const command = commandRequestOf(info);
        const spoken = websocketProtocols[chosenProtocol(asked, headers)]!;
        joinCommand(
          command,
          (events) => new SpdyCommandEnd(client, command, 'server', events),
          (events) => new WebSocketCommandEnd(server, spoken, 'client', events),
        );
      }
    },
    endsClient: true,
  };
}

/** A request without a body, and saying so: the end of a chunked one would be taken for the first bytes of the new protocol. */
function asking(request: UpstreamRequest, method: string, handshake: readonly string[]): UpstreamRequest {
  const headers: string[] = [];
  for (let at = 0; at < request.headers.length; at += 2) {
    if (request.headers[at] !== 'content-length')
      headers.push(request.headers[at]!, request.headers[at + 1]!);
  }
  const isBodiless = method === 'GET' || method === 'HEAD';
  return {
    ...request,
    method,
    headers: [...headers, ...(isBodiless ? [] : ['content-length', '0']), ...handshake],
  };
}

type Asked = Pick<StreamHandshake, 'protocol' | 'offered' | 'headers'>;

function askSpdy(version: string): Asked {
  return { protocol: 'SPDY/3.1', offered: [version], headers: spdyOffer([version]) };
}

function askWebSocket(offered: readonly string[]): Asked {
  return { protocol: 'websocket', offered, headers: websocketOffer(newKey(), offered) };
}
