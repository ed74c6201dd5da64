import type { Clock } from '@postern/core';
import { signJwt } from './jwt.ts';
import { type NatsSigner, readSeed } from './nkeys.ts';
import type { BusPermissions } from './permissions.ts';

/** A user's JWT to be made. */
export interface UserJwtSpec extends BusPermissions {
  /** The account's seed: whoever holds it decides who may do what on the bus. */
  readonly accountSeed: string;
  /** `U…`; its seed stays with the user. */
  readonly userPublicKey: string;
  /** Shown by the server's monitoring. */
  readonly name: string;
  readonly expires: Date;
  readonly clock?: Clock;
}

const maxPayloadBytes = 256 * 1024;
const maxSubscriptions = 64;
const replySeconds = 30;
const unlimited = -1;

const signers = new Map<string, NatsSigner>();
const maxSigners = 8;

/** A process signs by one account, for whoever joins: what its seed stands for is worked out once. */
function signerOf(accountSeed: string): NatsSigner {
  const known = signers.get(accountSeed);
  if (known) return known;
  const signer = readSeed(accountSeed);
  if (signers.size >= maxSigners) signers.clear();
  signers.set(accountSeed, signer);
  return signer;
}

/** Signs what a user may do. The server stores nothing per user: it believes the account's signature. */
export function userJwt(spec: UserJwtSpec): string {
  const { userPublicKey, name, publish, subscribe, mayRespond, isService, expires } = spec;
  const user = {
    type: 'user',
    version: 2,
    pub: { allow: publish },
    sub: { allow: subscribe },
    subs: isService ? unlimited : maxSubscriptions,
    data: unlimited,
    payload: isService ? unlimited : maxPayloadBytes,
    ...(mayRespond ? { resp: { max: 1, ttl: replySeconds * 1e9 } } : {}),
  };
  const exp = Math.floor(expires.getTime() / 1000);
  return signJwt(signerOf(spec.accountSeed), { sub: userPublicKey, name, exp, nats: user }, spec.clock);
}
