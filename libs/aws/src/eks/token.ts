import type { Clock } from '@postern/core';
import { UnknownStsRegion } from '../sign-for-sts.ts';
import { stsHostOf } from '../sts-hosts.ts';
import { openSigner } from '../signer.ts';

/** Credentials of AWS, of which those that end have a token. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** When they end, if they do. */
  readonly expiration?: Date;
}

/** Which cluster a token is for. */
export interface EksTokenFor {
  /** The name that EKS knows it by, which need not be that of its resource. */
  readonly cluster: string;
  readonly region: string;
}

/** What EKS takes a bearer for who signed it. */
export interface EksToken {
  readonly token: string;
  readonly goodUntil: Date;
}

const prefix = 'k8s-aws-v1.';
/** Of the signed address itself; the API server counts from when it was signed, whatever this says. */
const expiresIn = 60;
/** EKS takes a token for some fifteen minutes; one less is for clocks that differ. */
const goodForMs = 14 * 60_000;

/**
 * A bearer token for the API server of an EKS cluster: the address of a signed question to STS, who this is, that only this
 * cluster may put (https://github.com/kubernetes-sigs/aws-iam-authenticator, "API authorization from outside a cluster").
 * Nothing is sent.
 */
export async function signEksToken(
  { cluster, region }: EksTokenFor,
  credentials: AwsCredentials,
  clock: Clock,
): Promise<EksToken> {
  const sts = stsHostOf(region);
  if (!sts) throw UnknownStsRegion(region, 'STS');
  const signer = await openSigner({ service: 'sts', region, credentials });
  const signedAt = clock();
  const signed = await signer.presign(
    {
      method: 'GET',
      protocol: 'https:',
      hostname: sts.host,
      path: '/',
      query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
      headers: { host: sts.host, 'x-k8s-aws-id': cluster },
    },
    {
      signingDate: signedAt,
      expiresIn,
      // Unless told so, what is presigned has the headers of Amazon's moved into the query.
      unhoistableHeaders: new Set(['x-k8s-aws-id']),
      signableHeaders: new Set(['host', 'x-k8s-aws-id']),
    },
  );
  const query = new URLSearchParams(signed.query as Record<string, string>);
  const address = `https://${sts.host}/?${query.toString()}`;
  const token = prefix + Buffer.from(address).toString('base64url');
  const goodUntil = Math.min(signedAt.getTime() + goodForMs, credentials.expiration?.getTime() ?? Infinity);
  return { token, goodUntil: new Date(goodUntil) };
}
