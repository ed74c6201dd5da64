import { type Clock, failure, type JsonObject } from '@postern/core';
import { type Static, type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { SingleUse } from '../joins/used-proof.ts';
import type { Instances } from './ec2/ask-ec2.ts';
import type { RegionKeys } from './ec2/aws-certificates.ts';
import type { Sts } from './iam/ask-sts.ts';
import type { IssuerKeys } from './kubernetes/issuer-keys.ts';
import type { TokenReviewer } from './kubernetes/token-review.ts';

/** Why a join method did not accept a proof. Only the record tells. */
export const ProofRefused = failure('permission_denied', 'join.proof_refused', (reason: string) => reason);

/** A join token as every method sees it. */
export interface JoinToken {
  /** SHA-256 of its name, hex. */
  readonly id: string;
  /** For events and logs: masked where the name is the secret. */
  readonly safeName: string;
  readonly method: string;
  readonly roles: readonly string[];
  readonly expires?: Date;
  readonly spec: JsonObject;
  /** The token of the control plane's own services, one of the configuration, or a resource. */
  readonly origin: 'service' | 'static' | 'resource';
  /** Another one with every change of the token; those that are no resource have none and never change. */
  readonly revision?: string;
}

/** What methods may use besides the attempt: time, names, and services elsewhere that vouch for somebody. */
export interface MethodDeps {
  readonly clock: Clock;
  readonly clusterName: string;
  readonly sts: Pick<Sts, 'ask' | 'isFipsOnly'>;
  readonly kubernetes: {
    /** The API server of the cluster we run in, where there is one. */
    readonly reviewer: TokenReviewer | undefined;
    readonly issuers: IssuerKeys;
  };
  readonly ec2: { readonly keyOf: RegionKeys; readonly instances: Instances };
}

/** One attempt to prove who one is. Token, roles and method fit together when a method sees it. */
export interface Attempt<Proof = unknown> {
  readonly token: JoinToken;
  readonly roles: readonly string[];
  readonly sourceIp: string;
  readonly proof: Proof;
  /** SHA-256 of the public key that is to be certified (SPKI), hex. The joiner has shown that it holds the key. */
  readonly key: string;
  /** Digest of everything the joiner asks for, see `joinRequestDigest`. */
  readonly request: string;
  /** Issued here for this method and key, and not used by another agent; empty where the method has no challenges. */
  readonly challenge: string;
}

/** What a proof establishes. */
export interface Proved {
  /** Recorded with the join: names of things, never a secret. */
  readonly attributes: Readonly<Record<string, string>>;
  /** What makes this proof good for one agent only. A challenge is that by itself. */
  readonly once?: readonly SingleUse[];
}

/**
 * One way to prove who one is. A method answers what the proof establishes, or throws `ProofRefused`, which the joiner is not
 * told, or something unavailable, which it is. It sees no database and issues no certificate.
 */
export interface JoinMethod {
  readonly name: string;
  readonly hasChallenge: boolean;
  verify(deps: MethodDeps, attempt: Attempt): Promise<Proved>;
}

interface Declaration<S extends TSchema> {
  readonly name: string;
  /** The form of the proof; without it the method takes none. */
  readonly proof?: S;
  /** Whether a proof answers to a challenge. */
  readonly hasChallenge?: boolean;
  verify(deps: MethodDeps, attempt: Attempt<Static<S>>): Promise<Proved>;
}

const nothing = Type.Object({}, { additionalProperties: false });

/** Declares a join method, once: a proof that does not have the declared form is refused before `verify` sees it. */
export function joinMethod<S extends TSchema = typeof nothing>(declared: Declaration<S>): JoinMethod {
  const { name, hasChallenge = false } = declared;
  const validator = Compile(declared.proof ?? nothing);
  const verify = async (deps: MethodDeps, { proof = {}, ...attempt }: Attempt): Promise<Proved> => {
    if (validator.Check(proof)) return declared.verify(deps, { ...attempt, proof: proof as Static<S> });
    const [first] = validator.Errors(proof);
    throw ProofRefused(`the proof is malformed: ${first?.instancePath.slice(0, 80)} ${first?.message}`);
  };
  return { name, hasChallenge, verify };
}
