import { type Clock, sha256Hex } from '@postern/core';
import type { AwsLine } from '../call/call-aws.ts';
import type { AwsCredentials } from '../eks/token.ts';
import type { Environment } from '../region.ts';
import { assumeRole } from './assume-role.ts';
import { callerIdentity, type CallerIdentity } from './caller-identity.ts';
import { ownCredentials } from './own-credentials.ts';

/** As whom to act: as the identity of this process, or in a role that it assumes. */
export interface ActingAs {
  /** The account owner writes into the trust of the role which id its assumer has to know; the confused deputy does not. */
  readonly role?: { readonly arn: string; readonly externalId?: string | undefined } | undefined;
  readonly region: string;
}

/** Credentials by whom they are for, kept until shortly before they end. */
export interface AwsIdentities {
  credentials(as: ActingAs): Promise<AwsCredentials>;
  /** Account and ARN, as AWS knows them. */
  who(as: ActingAs): Promise<CallerIdentity>;
  /** Gives up what is kept: AWS has said that it has ended. */
  forget(as: ActingAs): void;
}

interface Deps {
  readonly env: Environment;
  readonly clock: Clock;
  readonly line: AwsLine;
  /** Name of the sessions of roles, as CloudTrail shows it. */
  readonly session: string;
}

interface Kept {
  readonly credentials: Promise<AwsCredentials>;
  /** Milliseconds since 1970 from which on new ones are asked for. */
  renewAt: number;
}

/** Renewed so long before they end, or at three quarters of their life, whichever is later. */
const marginMs = 5 * 60_000;
const maxKept = 5_000;

/** Identities of AWS: one for each base identity, role, external id and region, which are all that tells two of them apart. */
export function openIdentities({ env, clock, line, session }: Deps): AwsIdentities {
  const assumed = new Map<string, Kept>();
  const callers = new Map<string, CallerIdentity>();
  const base = baseCredentials(env);

  const inRole = async ({ role, region }: ActingAs): Promise<AwsCredentials> => {
    const own = await base.get(region);
    if (!role) return own;
    const key = keyOf(own, { role, region });
    const kept = assumed.get(key);
    if (kept && clock().getTime() < kept.renewAt) return kept.credentials;
    const next: Kept = {
      credentials: assumeRole({ env, line, session }, { role, region }, own),
      renewAt: Infinity,
    };
    if (assumed.size >= maxKept) assumed.clear();
    assumed.set(key, next);
    try {
      const credentials = await next.credentials;
      next.renewAt = renewalOf(credentials, clock().getTime());
      return credentials;
    } catch (error) {
      if (assumed.get(key) === next) assumed.delete(key);
      throw error;
    }
  };

  return {
    credentials: inRole,
    async who(as) {
      const credentials = await inRole(as);
      const known = callers.get(credentials.accessKeyId);
      if (known) return known;
      const found = await callerIdentity({ env, line }, as.region, credentials);
      if (callers.size >= maxKept) callers.clear();
      callers.set(credentials.accessKeyId, found);
      return found;
    },
    forget({ role, region }) {
      if (!role) return base.forget();
      for (const key of assumed.keys()) if (key.endsWith(placeOf({ role, region }))) assumed.delete(key);
    },
  };
}

/** Those of this process, found once and again after they were given up. */
function baseCredentials(env: Environment) {
  let provider: Promise<() => Promise<AwsCredentials>> | undefined;
  return {
    get: async (region: string): Promise<AwsCredentials> => {
      provider ??= ownCredentials(region, env);
      return (await provider)();
    },
    forget: () => void (provider = undefined),
  };
}

function keyOf({ accessKeyId, sessionToken = '' }: AwsCredentials, as: ActingAs): string {
  return `${accessKeyId}/${sha256Hex(sessionToken)}${placeOf(as)}`;
}

function placeOf({ role, region }: ActingAs): string {
  return JSON.stringify([region, role?.arn ?? null, role?.externalId ?? null]);
}

function renewalOf({ expiration }: AwsCredentials, now: number): number {
  if (!expiration) return Infinity;
  const lifeMs = expiration.getTime() - now;
  return Math.max(expiration.getTime() - marginMs, now + lifeMs * 0.75);
}
