import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { frontProxyName } from '../pki.ts';

/** In whose name a request came. */
export interface Caller {
  readonly user: string;
  readonly groups: readonly string[];
}

/** Whom the API server names. Undefined where somebody else says it, whose word is worth nothing. */
export function callerOf({ socket, headersDistinct }: IncomingMessage): Caller | undefined {
  const tls = socket as TLSSocket;
  if (!tls.authorized || tls.getPeerCertificate().subject.CN !== frontProxyName) return undefined;
  const [user, ...others] = headersDistinct['x-remote-user'] ?? [];
  if (!user || others.length > 0) return undefined;
  return { user, groups: headersDistinct['x-remote-group'] ?? [] };
}
