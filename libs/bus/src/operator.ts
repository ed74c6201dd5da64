import { join } from 'node:path';
import { signJwt } from './jwt.ts';
import { createKey, readSeed } from './nkeys.ts';

/** The secrets of a NATS operator: they decide who is on the bus, and who is no longer. */
export interface OperatorSecrets {
  /** Signs accounts, revocations of users among them. */
  readonly operatorSeed: string;
  /** Signs users of the system account, by whom servers are told of a changed account. */
  readonly systemAccountSeed: string;
  /** Signs users of Postern's account. */
  readonly accountSeed: string;
}

/** A NATS operator with one account for Postern and the system account, made once for an installation. */
export interface OperatorConfig extends OperatorSecrets {
  readonly operatorJwt: string;
  readonly accountJwt: string;
  readonly systemAccountJwt: string;
}

const unlimited = -1;

/**
 * Makes a new operator and its accounts. With the seed of an account that exists, the account stays what it was to the
 * server, with everything that JetStream holds for it.
 */
export function createOperatorConfig({ accountSeed }: { accountSeed?: string } = {}): OperatorConfig {
  const operator = createKey('operator');
  const system = createKey('account');
  const seed = accountSeed ?? createKey('account').seed;
  const account = readSeed(seed).publicKey;
  const signer = readSeed(operator.seed);
  const sign = (name: string, sub: string, disk: number) =>
    signJwt(signer, { sub, name, nats: { type: 'account', version: 2, limits: accountLimits(disk) } });
  return {
    operatorSeed: operator.seed,
    systemAccountSeed: system.seed,
    accountSeed: seed,
    operatorJwt: signJwt(signer, {
      sub: operator.publicKey,
      name: 'postern',
      nats: { type: 'operator', version: 2, system_account: system.publicKey },
    }),
    accountJwt: sign('postern', account, unlimited),
    systemAccountJwt: sign('system', system.publicKey, 0),
  };
}

/**
 * The part of nats-server's configuration that makes it ask for users of the operator's account, for a server that keeps its
 * files in `dir`. What it is told of accounts later is kept there, so that a restart forgets no revocation; the servers of a
 * cluster compare theirs every few seconds.
 */
export function operatorServerConfig(operator: OperatorConfig): (dir: string) => string {
  const { publicKey: account } = readSeed(operator.accountSeed);
  const { publicKey: system } = readSeed(operator.systemAccountSeed);
  // A service's credential lists every subject it may use and is longer than the 4 kB that a CONNECT line may have.
  return (dir) => `max_control_line: 32768
operator: ${operator.operatorJwt}
system_account: ${system}
resolver { type: full, dir: ${JSON.stringify(join(dir, 'jwt'))}, allow_delete: false, interval: "5s" }
resolver_preload: {
  ${account}: ${operator.accountJwt}
  ${system}: ${operator.systemAccountJwt}
}
`;
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
