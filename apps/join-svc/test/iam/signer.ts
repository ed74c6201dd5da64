import { callerIdentity, type JoinRequest, joinRequestDigest } from '@postern/contracts';
import { keyFingerprint } from '@postern/identity';
import { type IssuedKey, type SignedRequest, signRequest } from '@postern/testkit';
import { call, joinBody, joiner, type JoinBody, type Replica } from '../control-plane.ts';

export const host = 'sts.eu-west-1.amazonaws.com';

/** A proof as it goes into a join request. */
export interface Proof {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/** What a joiner does otherwise than it should before it signs, and after it. */
export interface Changes {
  readonly host?: string;
  readonly region?: string;
  readonly service?: string;
  readonly at?: Date;
  /** `X-Amz-Date` as it is written. */
  readonly date?: string;
  readonly challenge?: string;
  /** Digest of another request to join. */
  readonly request?: string;
  readonly signedHeaders?: readonly string[];
  readonly body?: string;
  readonly method?: string;
  readonly target?: string;
  readonly moreHeaders?: Readonly<Record<string, string>>;
  readonly join?: Partial<JoinBody>;
  /** Where `join` has a CSR: the key of it. */
  readonly publicKey?: string;
  /** The proof that is sent, made from the one that was signed. */
  readonly proof?: (proof: Proof) => object | undefined;
}

interface Expected {
  readonly challenge: string;
  readonly request: string;
}

/** Signs what the agent signs, unless something is to be otherwise. */
export function signedProof(
  credentials: IssuedKey,
  { challenge, request }: Expected,
  changes: Changes = {},
): Proof {
  const { host: name = host, at = new Date(), method = callerIdentity.method } = changes;
  const unsigned: SignedRequest = {
    method,
    target: changes.target ?? '/',
    body: changes.body ?? callerIdentity.body,
    headers: {
      accept: callerIdentity.accept,
      'content-type': callerIdentity.contentType,
      host: name,
      [callerIdentity.challengeHeader]: changes.challenge ?? challenge,
      [callerIdentity.requestHeader]: changes.request ?? request,
      ...changes.moreHeaders,
    },
  };
  const signed = signRequest(unsigned, {
    key: credentials,
    date: changes.date ?? dateOf(at),
    region: changes.region ?? 'eu-west-1',
    ...(changes.service === undefined ? {} : { service: changes.service }),
    ...(changes.signedHeaders === undefined ? {} : { signedHeaders: changes.signedHeaders }),
  });
  return {
    method,
    url: `https://${name}${unsigned.target}`,
    headers: Object.entries(signed.headers),
    body: unsigned.body,
  };
}

/** A time as `X-Amz-Date` has it. */
export function dateOf(at: Date): string {
  return at.toISOString().replace(/[-:]|\.\d{3}/g, '');
}

/** A challenge for a key, as the replica gives it out. */
export async function challengeFor(replica: Replica, key: string): Promise<string> {
  const { body } = await call<{ challenge: string }>(replica, '/v1/join/challenge', {
    body: { method: 'iam', key },
  });
  return body.challenge;
}

/** A whole join request by `iam`, to be sent once or more often. */
export async function iamRequest(
  replica: Replica,
  credentials: IssuedKey,
  changes: Changes = {},
): Promise<JoinBody & { readonly challenge: string }> {
  const made = await joiner();
  const { csr = made.csr } = changes.join ?? {};
  const key = keyFingerprint(changes.publicKey ?? made.publicKey);
  const challenge = await challengeFor(replica, key);
  const body = await joinBody({ method: 'iam', token: 'iam-token', ...changes.join, csr });
  const proof = signedProof(credentials, { challenge, request: digestOf(body) }, changes);
  return { ...body, challenge, proof: { ...(changes.proof ? changes.proof(proof) : proof) } };
}

/** What is signed of a request to join. */
export function digestOf(body: JoinBody): string {
  return joinRequestDigest(body as JoinRequest);
}
