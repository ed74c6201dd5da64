import type { KubernetesJoin } from '@postern/contracts';
import type { Clock } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { type FetchJson, IssuerUnavailable, whyUnavailable } from './fetch-json.ts';
import { type IssuerKey, readKeySet } from './key-set.ts';

/** An issuer as a token resource names it. */
export type Issuer = NonNullable<KubernetesJoin['oidc']>;

/** The keys of OpenID Connect issuers. */
export interface IssuerKeys {
  /** The keys an issuer has, one with this id among them where it has one. Fails as `IssuerUnavailable`. */
  of(issuer: Issuer, kid: string | undefined): Promise<readonly IssuerKey[]>;
}

const freshMs = 10 * 60_000;
/** Keys that were had stay good this long while the issuer does not answer. */
const usableMs = 60 * 60_000;
/** However many tokens name unknown keys, and however often an issuer fails, it is asked no more often than this. */
const askAgainMs = 30_000;
const maxIssuers = 100;

/** What asking issuers needs. */
export interface IssuerDeps {
  readonly clock: Clock;
  readonly fetchJson: FetchJson;
  readonly telemetry: Pick<Telemetry, 'log'>;
}

interface Known {
  keys: readonly IssuerKey[];
  keysAt: number;
  askedAt: number;
  asking: Promise<void> | undefined;
}

/**
 * Asks issuers for their keys (OpenID Connect Discovery 1.0, sections 4 and 4.3) and remembers them. What the discovery document
 * says must be about the very issuer, and its keys on the same host.
 */
export function issuerKeys({ clock, fetchJson, telemetry }: IssuerDeps): IssuerKeys {
  const issuers = new Map<string, Known>();
  return {
    of: async (issuer, kid) => {
      const known = entryOf(issuers, issuer.issuer);
      const now = clock().getTime();
      if (shouldAsk(known, kid, now)) {
        known.asking ??= ask(known, issuer, { fetchJson, now }).finally(() => (known.asking = undefined));
        await known.asking.catch((error: unknown) => {
          telemetry.log.warn('an issuer of tokens was not available', {
            issuer: issuer.issuer,
            why: whyUnavailable(error),
          });
          if (now - known.keysAt > usableMs) throw error;
        });
      } else if (now - known.keysAt > usableMs) throw IssuerUnavailable();
      return known.keys;
    },
  };
}

function entryOf(issuers: Map<string, Known>, url: string): Known {
  const known = issuers.get(url);
  if (known) return known;
  // Issuers are named by token resources; one that was not asked for longest makes room.
  if (issuers.size >= maxIssuers) issuers.delete(issuers.keys().next().value!);
  const made: Known = { keys: [], keysAt: -Infinity, askedAt: -Infinity, asking: undefined };
  issuers.set(url, made);
  return made;
}

function shouldAsk({ keys, keysAt, askedAt, asking }: Known, kid: string | undefined, now: number): boolean {
  if (asking) return true;
  if (Math.abs(now - askedAt) < askAgainMs) return false;
  return now - keysAt > freshMs || !keys.some((key) => kid === undefined || key.kid === kid);
}

interface Asking {
  readonly fetchJson: FetchJson;
  readonly now: number;
}

async function ask(known: Known, issuer: Issuer, { fetchJson, now }: Asking): Promise<void> {
  known.askedAt = now;
  const base = new URL(issuer.issuer);
  const discovery = await fetchJson(
    new URL(`${issuer.issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`),
  );
  if (discovery['issuer'] !== issuer.issuer)
    throw refused(`it says that it is ${String(discovery['issuer'])}`);
  const jwks = URL.parse(String(discovery['jwks_uri']));
  if (!jwks || jwks.origin !== base.origin) throw refused('its keys are on another host');
  try {
    known.keys = readKeySet(JSON.stringify(await fetchJson(jwks)));
  } catch (error) {
    throw IssuerUnavailable.is(error) ? error : IssuerUnavailable.from(error);
  }
  known.keysAt = now;
}

function refused(why: string): Error {
  return IssuerUnavailable.from(new TypeError(`the issuer cannot be used: ${why}`));
}
