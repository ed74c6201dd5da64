import { type Clock, sha256Hex, systemClock } from '@postern/core';
import { base32, createKey, type NatsSigner, readSeed } from './nkeys.ts';
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

/** A NATS operator with one account for Postern and the system account, made once for an installation. */
export interface OperatorConfig {
  readonly operatorJwt: string;
  readonly accountJwt: string;
  readonly systemAccountJwt: string;
  /** Secret: signs users. */
  readonly accountSeed: string;
  /** The part of nats-server's configuration that makes it ask for users of this account. */
  readonly config: string;
}

const header = encodeJson({ typ: 'JWT', alg: 'ed25519-nkey' });
const maxPayloadBytes = 256 * 1024;
const maxSubscriptions = 64;
const replySeconds = 30;
const unlimited = -1;

/** Signs what a user may do. The server stores nothing per user: it believes the account's signature. */
export function userJwt(spec: UserJwtSpec): string {
  const { userPublicKey, name, publish, subscribe, mayRespond, expires } = spec;
  const user = {
    type: 'user',
    version: 2,
    pub: { allow: publish },
    sub: { allow: subscribe },
    subs: mayRespond ? unlimited : maxSubscriptions,
    data: unlimited,
    payload: mayRespond ? unlimited : maxPayloadBytes,
    ...(mayRespond ? { resp: { max: 1, ttl: replySeconds * 1e9 } } : {}),
  };
  const exp = Math.floor(expires.getTime() / 1000);
  return signJwt(readSeed(spec.accountSeed), { sub: userPublicKey, name, exp, nats: user }, spec.clock);
}

/** Makes a new operator and its accounts. The operator's key is not kept: a change of accounts is a new operator. */
export function createOperatorConfig(): OperatorConfig {
  const operator = createKey('operator');
  const account = createKey('account');
  const system = createKey('account');
  const signer = readSeed(operator.seed);
  const operatorJwt = signJwt(signer, {
    sub: operator.publicKey,
    name: 'postern',
    nats: { type: 'operator', version: 2, system_account: system.publicKey },
  });
  const sign = (name: string, sub: string, disk: number) =>
    signJwt(signer, { sub, name, nats: { type: 'account', version: 2, limits: accountLimits(disk) } });
  const accountJwt = sign('postern', account.publicKey, unlimited);
  const systemAccountJwt = sign('system', system.publicKey, 0);
  return {
    operatorJwt,
    accountJwt,
    systemAccountJwt,
    accountSeed: account.seed,
    // A service's credential lists every subject it may use and is longer than the 4 kB that a CONNECT line may have.
    config: `max_control_line: 32768
operator: ${operatorJwt}
system_account: ${system.publicKey}
resolver: MEMORY
resolver_preload: {
  ${account.publicKey}: ${accountJwt}
  ${system.publicKey}: ${systemAccountJwt}
}
`,
  };
}

function accountLimits(jetstream: number): Record<string, number | boolean> {
  const counted = ['subs', 'data', 'payload', 'imports', 'exports', 'conn', 'leaf'];
  const stored = ['mem_storage', 'disk_storage', 'streams', 'consumer'];
  return {
    ...Object.fromEntries(counted.map((name) => [name, unlimited])),
    ...Object.fromEntries(stored.map((name) => [name, jetstream])),
    wildcards: true,
  };
}

/** A JWT as NATS signs them: Ed25519 under a header of its own. `jti` is a digest of the claims. */
function signJwt(
  signer: NatsSigner,
  claims: Readonly<Record<string, unknown>>,
  clock: Clock = systemClock,
): string {
  const iat = Math.floor(clock().getTime() / 1000);
  const body = { ...claims, iss: signer.publicKey, iat };
  const jti = base32(Buffer.from(sha256Hex(JSON.stringify(body)), 'hex'));
  const signed = `${header}.${encodeJson({ jti, ...body })}`;
  return `${signed}.${signer.sign(signed).toString('base64url')}`;
}

function encodeJson(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
