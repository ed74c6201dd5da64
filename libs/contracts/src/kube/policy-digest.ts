import { sha256Hex } from '@postern/core';
import { everything } from '../selector.ts';

/** The kinds of resources that access is decided by, sorted. */
export const policyKinds = ['lock', 'role', 'user'] as const;

/** The view that whoever decides about access reads. */
export const policySelector = everything(...policyKinds);

/** A resource at a version, as it counts for a digest. */
export interface DigestPart {
  readonly kind: string;
  readonly id: string;
  /** Version of its stream. */
  readonly rev: number;
}

/**
 * The digest of a set of resources without this one, or with it: the same step takes in and out, in any order. The policy
 * revision in audit records is the digest of all roles, users and locks, 0 for none; whoever looks for the policy of that moment
 * takes the same steps over the recorded events.
 */
export function digestWith(digest: bigint, { kind, id, rev }: DigestPart): bigint {
  return digest ^ BigInt(`0x${sha256Hex(`${kind}/${id}@${rev}`).slice(0, 16)}`);
}

/** A digest as it is written in records and grants. */
export function digestText(digest: bigint): string {
  return digest.toString(16).padStart(16, '0');
}
