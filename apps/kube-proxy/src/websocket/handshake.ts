import { createHash, randomBytes } from 'node:crypto';
import { failure } from '@postern/core';

export const InvalidHandshake = failure(
  'invalid_argument',
  'kube.invalid_websocket_handshake',
  (why: string) => `invalid WebSocket handshake: ${why}`,
);

// Section 1.3 of RFC 6455.
const acceptGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What a server answers to a key, so that the client knows that it was read by one. */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + acceptGuid)
    .digest('base64');
}

export function newKey(): string {
  return randomBytes(16).toString('base64');
}

const maxOffers = 32;
const maxOfferBytes = 4096;
const bearerPrefix = 'base64url.bearer.authorization.k8s.io.';

/**
 * The subprotocols that a client offers, each once and in its order, without the bearer tokens that browsers hide among them.
 * Throws InvalidHandshake.
 */
export function offeredProtocols(headers: readonly string[]): string[] {
  const offered = headers
    .filter((_, at) => at % 2 === 1 && headers[at - 1] === 'sec-websocket-protocol')
    .join(',');
  if (offered.length > maxOfferBytes) throw InvalidHandshake('its subprotocols are too long');
  const protocols = offered.split(',').map((protocol) => protocol.trim());
  if (protocols.length > maxOffers) throw InvalidHandshake('it offers too many subprotocols');
  return [...new Set(protocols)].filter((protocol) => protocol !== '' && !protocol.startsWith(bearerPrefix));
}

/** The key of a handshake that asks for the one version there is. Throws InvalidHandshake. */
export function handshakeKey(headers: readonly string[]): string {
  const values = (name: string) => headers.filter((_, at) => at % 2 === 1 && headers[at - 1] === name);
  const [version, ...otherVersions] = values('sec-websocket-version');
  if (version !== '13' || otherVersions.length > 0)
    throw InvalidHandshake('Sec-WebSocket-Version must be 13');
  const [key, ...otherKeys] = values('sec-websocket-key');
  if (key === undefined || otherKeys.length > 0 || Buffer.from(key, 'base64').length !== 16)
    throw InvalidHandshake('Sec-WebSocket-Key must be 16 bytes in base64');
  return key;
}
