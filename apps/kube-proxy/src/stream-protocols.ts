/** What clients and API servers speak behind an upgrade, for programs that play one of them. */
export type { CommandEnd, CommandEvents } from './remote-command/command-end.ts';
export { commandRequestOf } from './remote-command/command-request.ts';
export { SpdyCommandEnd } from './remote-command/spdy-end.ts';
export { WebSocketCommandEnd } from './remote-command/websocket-end.ts';
export { websocketProtocols } from './remote-command/websocket-protocols.ts';
export { joinTunnel } from './port-forward/join-tunnel.ts';
export { spdyPortProtocol, tunnelProtocol } from './port-forward/protocols.ts';
export { SpdySession } from './spdy/session.ts';
export { acceptOf, newKey } from './websocket/handshake.ts';
