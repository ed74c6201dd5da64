import { failure } from '@postern/core';
import { BadGateway } from '../forward/answers.ts';
import type { AnswerHeaders, UpgradeProtocol } from '../forward/upstream.ts';
import { channelProtocol, spdyPortProtocol, tunnelProtocol } from '../port-forward/protocols.ts';
import { websocketProtocols } from '../remote-command/websocket-protocols.ts';
import type { ClientHeaders } from '../request/client-headers.ts';
import type { RequestInfo } from '../request/request-info.ts';
import { acceptOf, handshakeKey, offeredProtocols } from '../websocket/handshake.ts';

export const UnsupportedUpgrade = failure(
  'invalid_argument',
  'kube.unsupported_upgrade',
  () => 'only upgrades to websocket and SPDY/3.1 are supported',
);

export const UnsupportedStreamProtocol = failure(
  'invalid_argument',
  'kube.unsupported_stream_protocol',
  (header: string, supported: readonly string[]) =>
    `unable to upgrade: ${header} offers no protocol that is supported here; offer one of ${supported.join(', ')}`,
);

/** What is spoken after a switch: a command, a port-forward, or what is between a client and what it reaches by a proxy. */
export type StreamKind = 'command' | 'portforward' | 'opaque';

/** How a client asks to switch, read. */
export interface StreamHandshake {
  readonly kind: StreamKind;
  readonly protocol: UpgradeProtocol;
  /** The protocols within it that both the client and we know, in the order of the client. */
  readonly offered: readonly string[];
  /** The key of a WebSocket handshake, or empty. */
  readonly key: string;
  /** The handshake headers that go on, name and value in turn. */
  readonly headers: readonly string[];
}

/** Version 4 of remotecommand, the first that tells how a command ended. */
export const spdyCommandProtocol = 'v4.channel.k8s.io';

const known: Readonly<
  Record<Exclude<StreamKind, 'opaque'>, Readonly<Record<UpgradeProtocol, readonly string[]>>>
> = {
  command: { websocket: Object.keys(websocketProtocols), 'SPDY/3.1': [spdyCommandProtocol] },
  portforward: { websocket: [tunnelProtocol, channelProtocol], 'SPDY/3.1': [spdyPortProtocol] },
};

export function streamKindOf({ subresource }: Pick<RequestInfo, 'subresource'>): StreamKind {
  if (subresource === 'exec' || subresource === 'attach') return 'command';
  return subresource === 'portforward' ? 'portforward' : 'opaque';
}

/** Reads a handshake and keeps of its offers what is known. Throws where nothing remains. */
export function readHandshake(
  info: Pick<RequestInfo, 'subresource'>,
  { upgrade, handshake }: Pick<ClientHeaders, 'upgrade' | 'handshake'>,
): StreamHandshake {
  const kind = streamKindOf(info);
  const protocol = readProtocol(upgrade);
  if (kind === 'opaque') return { kind, protocol, offered: [], key: '', headers: withoutBearer(handshake) };
  const isWebSocket = protocol === 'websocket';
  const header = isWebSocket ? 'Sec-WebSocket-Protocol' : 'X-Stream-Protocol-Version';
  const asked = isWebSocket ? offeredProtocols(handshake) : valuesOf(handshake, 'x-stream-protocol-version');
  const offered = asked.filter((one) => known[kind][protocol].includes(one));
  if (offered.length === 0) throw UnsupportedStreamProtocol(header, known[kind][protocol]);
  if (!isWebSocket) return { kind, protocol, offered, key: '', headers: spdyOffer(offered) };
  const key = handshakeKey(handshake);
  return { kind, protocol, offered, key, headers: websocketOffer(key, offered) };
}

/** The protocol a client asks for, in the one spelling that goes upstream. */
function readProtocol(upgrade: string | undefined): UpgradeProtocol {
  const asked = upgrade?.toLowerCase();
  if (asked === 'websocket') return 'websocket';
  if (asked === 'spdy/3.1') return 'SPDY/3.1';
  throw UnsupportedUpgrade();
}

const maxOffers = 32;

function valuesOf(headers: readonly string[], name: string): string[] {
  const values = headers.filter((_, at) => at % 2 === 1 && headers[at - 1] === name);
  const tokens = values.join(',').split(',', maxOffers);
  return [...new Set(tokens.map((token) => token.trim()))];
}

/** Handshake headers that ask a server for a WebSocket. */
export function websocketOffer(key: string, offered: readonly string[]): string[] {
  return [
    'sec-websocket-version',
    '13',
    'sec-websocket-key',
    key,
    'sec-websocket-protocol',
    offered.join(', '),
  ];
}

/** Handshake headers that ask a server for SPDY. */
export function spdyOffer(offered: readonly string[]): string[] {
  return offered.flatMap((one) => ['x-stream-protocol-version', one]);
}

/** Of a handshake that only its two ends understand, all but bearer tokens and extensions go on. */
function withoutBearer(headers: readonly string[]): string[] {
  const protocols = offeredProtocols(headers);
  const others: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at] !== 'sec-websocket-protocol') others.push(headers[at]!, headers[at + 1]!);
  }
  return protocols.length === 0 ? others : [...others, 'sec-websocket-protocol', protocols.join(', ')];
}

const passed = ['sec-websocket-accept', 'sec-websocket-protocol', 'x-stream-protocol-version'];

/** The protocol that a server chose. Throws BadGateway where nobody offered it. */
export function chosenProtocol(
  { protocol, offered }: Pick<StreamHandshake, 'protocol' | 'offered'>,
  headers: AnswerHeaders,
): string {
  const chosen = headers[protocol === 'websocket' ? 'sec-websocket-protocol' : 'x-stream-protocol-version'];
  if (typeof chosen === 'string' && offered.includes(chosen)) return chosen;
  throw BadGateway('it switched to a protocol that was not offered');
}

/** What a client is told of a switch, name and value in turn. Extensions are left out, as they were never offered. */
export function agreedHeaders(handshake: StreamHandshake, headers: AnswerHeaders): string[] {
  if (handshake.kind !== 'opaque') return switchHeaders(handshake, chosenProtocol(handshake, headers));
  const agreed: string[] = [];
  for (const name of passed) {
    const value = headers[name];
    if (typeof value === 'string') agreed.push(name, value);
  }
  return agreed;
}

/** The same where the protocol is chosen here. */
export function switchHeaders({ protocol, key }: StreamHandshake, chosen: string): string[] {
  return protocol === 'websocket'
    ? ['sec-websocket-accept', acceptOf(key), 'sec-websocket-protocol', chosen]
    : ['x-stream-protocol-version', chosen];
}
