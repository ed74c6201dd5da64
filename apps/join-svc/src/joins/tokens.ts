import { timingSafeEqual } from 'node:crypto';
import { maskedName, type ViewEntry } from '@postern/contracts';
import { failure, type JsonObject, type Secret, sha256Hex } from '@postern/core';
import { appears, type OnChange } from '../appears.ts';
import type { JoinToken } from '../methods/method.ts';

/** Tokens are not known, because resource-svc has not been heard of since the start or for too long. */
const TokensNotReady = failure(
  'unavailable',
  'join.tokens_not_ready',
  () => 'join tokens are not known yet; try again in a moment',
);

/** What token look-ups need of the view of tokens. */
export interface TokenView {
  readonly isReady: () => boolean;
  /** The entry whose id is the SHA-256 of the token's name. */
  readonly get: (id: string) => ViewEntry | undefined;
  readonly onChange: OnChange;
}

/** Finds a token by its name. */
export interface TokenList {
  find(name: string): JoinToken | undefined;
  /** Settles when the token is there, or after `ms` milliseconds. */
  appears(name: string, ms: number): Promise<JoinToken | undefined>;
}

/** Roles that the service token lets in: the control plane's own processes and agents beside them. */
const serviceRoles = ['Auth', 'Proxy', 'Kube', 'Discovery'];

/**
 * The static service token and the dynamic tokens. Names are looked up by their hash, so that neither the look-up nor its
 * time depends on how much of a guess was right.
 */
export function tokenList(view: TokenView, serviceToken: Secret | undefined): TokenList {
  const own = serviceToken === undefined ? undefined : Buffer.from(sha256Hex(serviceToken.reveal()));
  const find = (name: string) => {
    const hash = sha256Hex(name);
    if (own && timingSafeEqual(Buffer.from(hash), own)) return staticToken(name, hash);
    if (!view.isReady()) throw TokensNotReady();
    const entry = view.get(hash);
    return entry?.resource && { ...dynamicToken(name, entry.resource), id: hash, revision: entry.revision };
  };
  return { find, appears: (name, ms) => appears(view.onChange, () => find(name), ms) };
}

function staticToken(name: string, id: string): JoinToken {
  return { id, safeName: maskedName(name), method: 'token', roles: serviceRoles, spec: {} };
}

function dynamicToken(
  name: string,
  { metadata, spec }: NonNullable<ViewEntry['resource']>,
): Omit<JoinToken, 'id'> {
  const method = typeof spec['join_method'] === 'string' ? spec['join_method'] : '';
  const roles = Array.isArray(spec['roles']) ? spec['roles'].filter((role) => typeof role === 'string') : [];
  return {
    safeName: method === 'token' ? maskedName(name) : name,
    method,
    roles,
    ...(metadata.expires === undefined ? {} : { expires: expiryOf(metadata.expires) }),
    spec: spec as JsonObject,
  };
}

/** A time that cannot be read counts as past. */
function expiryOf(text: string): Date {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? new Date(0) : at;
}

/** A name for the record when no token was found by it: never enough of it to be of use. */
export function safeUnknownName(name: string): string {
  return maskedName(name.slice(0, 64));
}
