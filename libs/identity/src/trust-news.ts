import { createPrivateKey } from 'node:crypto';
import { isPlainObject, type Secret } from '@postern/core';
import { jwtVerify, SignJWT } from 'jose';
import { authoritiesOf, splitPem, type TrustBundle } from './trust.ts';

/** Whom to trust from now on, as the control plane tells processes that have joined. */
export interface TrustNews extends TrustBundle {
  /** Counts the changes. What one knows already, or knew before, is not news. */
  readonly revision: number;
  /** What servers send behind their certificates; PEM, may be empty. */
  readonly hostChain: string;
  /** Pins of the authorities that certify now. Whoever has a certificate of another one renews it. */
  readonly issuers: { readonly agent: string; readonly svc: string };
  /** Milliseconds within which to do so, each at a moment of its own. */
  readonly spreadMs: number;
}

const typ = 'postern-trust+jwt';
const maxLength = 65_536;
const maxStatements = 4;
const maxAuthorities = 4;

/**
 * Signs the news by the key of a host authority: it goes to whoever trusts that authority anyhow, whichever way it comes. No part of a
 * certificate can look like it, for it begins otherwise.
 */
export async function signTrustNews(
  { clusterName, ...news }: TrustNews,
  privateKey: Secret,
): Promise<string> {
  return new SignJWT({ ...news })
    .setProtectedHeader({ alg: 'ES256', typ })
    .setIssuer(clusterName)
    .sign(createPrivateKey(privateKey.reveal()));
}

/** What an authority of `trust` has signed; undefined where nothing among the statements is that, or has the form of news. */
export async function readTrustNews(
  statements: readonly string[],
  trust: TrustBundle,
): Promise<TrustNews | undefined> {
  const sensible = statements.slice(0, maxStatements).filter((statement) => statement.length <= maxLength);
  for (const statement of sensible) {
    for (const { publicKey } of authoritiesOf(trust.hostCa)) {
      const options = { algorithms: ['ES256'], typ, issuer: trust.clusterName };
      const verified = await jwtVerify(statement, publicKey, options).catch(() => undefined);
      if (verified) return newsFrom(verified.payload, trust.clusterName);
    }
  }
  return undefined;
}

function newsFrom(payload: Readonly<Record<string, unknown>>, clusterName: string): TrustNews | undefined {
  const { revision, hostCa, userCa, hostChain, issuers, spreadMs } = payload;
  const { agent, svc } = isPlainObject(issuers) ? issuers : {};
  const isWhole =
    Number.isSafeInteger(revision) &&
    Number.isSafeInteger(spreadMs) &&
    isBundle(hostCa) &&
    isBundle(userCa) &&
    typeof hostChain === 'string' &&
    typeof agent === 'string' &&
    typeof svc === 'string';
  if (!isWhole) return undefined;
  return {
    clusterName,
    revision: revision as number,
    hostCa: hostCa as string,
    userCa: userCa as string,
    hostChain,
    issuers: { agent, svc },
    spreadMs: spreadMs as number,
  };
}

function isBundle(pem: unknown): boolean {
  if (typeof pem !== 'string') return false;
  const count = splitPem(pem).length;
  return count > 0 && count <= maxAuthorities;
}
