import { existsSync, readFileSync } from 'node:fs';
import { createOperatorConfig, type OperatorConfig, operatorServerConfig } from '@postern/bus';
import { isPlainObject, parseJson, Secret, systemClock as clock } from '@postern/core';
import {
  type Authority,
  createAuthority,
  generateKeyPair,
  issueCertificate,
  type Sealer,
  sealerFrom,
} from '@postern/identity';
import { sealOperatorFile } from '@postern/join-svc';
import { type DataDir, writeSecret } from './data-dir.ts';
import type { Environment } from './start-control-plane.ts';

/** What a nats-server of this installation is started with, and how join-svc is its operator. */
export interface BusKeys {
  /** The part of its configuration that makes it ask for credentials, for the directory that it keeps its files in. */
  readonly natsConfig: (dir: string) => string;
  /** The certificate that it shows, for this machine only, and the key of it. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** Another one of the same authority, for when two thirds of the life of this one are over. */
  readonly renewTls: () => Promise<BusKeys['tls']>;
  /** For join-svc, which tells all others. */
  readonly env: Environment;
}

interface Kept {
  readonly operator: OperatorConfig;
  readonly authority: { readonly certificate: string; readonly privateKey: string };
}

const place = 'bus-keys';
/** Life of the certificate of the server. Milliseconds. */
export const busServerLifeMs = 365 * 86_400_000;

/**
 * The keys of the bus, made once and sealed with the key encryption key. The bus has an authority of its own, since it must
 * listen before there is a join-svc that could certify it; the server's certificate is new at each start, and whoever runs the server
 * for long renews it.
 */
export async function openBusKeys(dataDir: DataDir): Promise<BusKeys> {
  const sealer = sealerFrom(new Secret(readFileSync(dataDir.keyFile, 'utf8')));
  const { operator, authority } = await openKept(dataDir, sealer);
  writeSecret(dataDir.busAccountSeedFile, `${operator.accountSeed}\n`);
  writeSecret(dataDir.busOperatorFile, await sealOperatorFile(sealer, operator));
  writeSecret(dataDir.busCaFile, authority.certificate);
  return {
    natsConfig: operatorServerConfig(operator),
    tls: await serverCertificate(authority),
    renewTls: () => serverCertificate(authority),
    env: {
      POSTERN_BUS_ACCOUNT_SEED_FILE: dataDir.busAccountSeedFile,
      POSTERN_BUS_OPERATOR_FILE: dataDir.busOperatorFile,
      POSTERN_BUS_CA_FILE: dataDir.busCaFile,
    },
  };
}

async function openKept({ busKeysFile }: DataDir, sealer: Sealer): Promise<Kept> {
  const text = existsSync(busKeysFile) ? readFileSync(busKeysFile, 'utf8') : '{}';
  if (!text.startsWith('{')) return JSON.parse((await sealer.unseal(text, place)).reveal()) as Kept;
  // Files of earlier programs hold no key of the operator: there is a new one, and the account goes on.
  const earlier = parseJson(text);
  const accountSeed = isPlainObject(earlier) ? earlier['accountSeed'] : undefined;
  const { certificate, privateKey } = await createAuthority({ use: 'host', clusterName: 'bus', clock });
  const kept = {
    operator: createOperatorConfig(typeof accountSeed === 'string' ? { accountSeed } : {}),
    authority: { certificate, privateKey: privateKey.reveal() },
  };
  writeSecret(busKeysFile, await sealer.seal(JSON.stringify(kept), place));
  return kept;
}

async function serverCertificate(kept: Kept['authority']): Promise<BusKeys['tls']> {
  const authority: Authority = {
    use: 'host',
    clusterName: 'bus',
    certificate: kept.certificate,
    privateKey: new Secret(kept.privateKey),
    clock,
  };
  const { privateKey: key, publicKey } = await generateKeyPair();
  const cert = await issueCertificate(authority, {
    type: 'svc',
    id: 'nats',
    publicKey,
    generation: 1,
    roles: [],
    notAfter: new Date(clock().getTime() + busServerLifeMs),
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  return { cert, key };
}
