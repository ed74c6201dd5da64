import { timingSafeEqual } from 'node:crypto';
import type { StaticToken } from '@postern/config';
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
  /** Those of the configuration. */
  readonly staticTokens: readonly StaticToken[];
}

/** Tokens of the configuration. */
export interface ConfiguredTokens {
  /** That of the services of the control plane. */
  readonly serviceToken: Secret | undefined;
  readonly staticTokens?: readonly StaticToken[] | undefined;
}

/** The service token lets in the control plane's own processes and agents beside them. */
const ofServices = { origin: 'service', roles: ['Auth', 'Proxy', 'Kube', 'Discovery'] } as const;

/**
 * The service token, the static and the dynamic tokens. Names are looked up by their hash, so that neither the look-up nor its
 * time depends on how much of a guess was right.
 */
export function tokenList(view: TokenView, { serviceToken, staticTokens = [] }: ConfiguredTokens): TokenList {
  const fixed = [
    ...(serviceToken === undefined ? [] : [{ ...ofServices, id: sha256Hex(serviceToken.reveal()) }]),
    ...staticTokens.map(({ id, roles }) => ({ origin: 'static', id, roles }) as const),
  ].map((token) => ({ token, hash: Buffer.from(token.id) }));
  const find = (name: string): JoinToken | undefined => {
    const id = sha256Hex(name);
    const hash = Buffer.from(id);
    // All of them are compared, whichever it is.
    const [known] = fixed.filter((each) => timingSafeEqual(each.hash, hash));
    if (known) return { ...known.token, safeName: maskedName(name), method: 'token', spec: {} };
    if (!view.isReady()) throw TokensNotReady();
    const entry = view.get(id);
    return entry?.resource && { ...dynamicToken(name, entry.resource), id, revision: entry.revision };
  };
  return { find, appears: (name, ms) => appears(view.onChange, () => find(name), ms), staticTokens };
}

function dynamicToken(
  name: string,
  { metadata, spec }: NonNullable<ViewEntry['resource']>,
): Omit<JoinToken, 'id'> {
  const method = typeof spec['join_method'] === 'string' ? spec['join_method'] : '';
  const roles = Array.isArray(spec['roles']) ? spec['roles'].filter((role) => typeof role === 'string') : [];
  return {
    origin: 'resource',
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
