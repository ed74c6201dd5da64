/**
 * The one request by which a joiner proves an AWS identity, as joiner and control plane both know it: `GetCallerIdentity` of STS, signed
 * by Signature Version 4 with a challenge and the digest of the request to join among the signed headers.
 */
export const callerIdentity = {
  method: 'POST',
  body: 'Action=GetCallerIdentity&Version=2011-06-15',
  accept: 'application/json',
  contentType: 'application/x-www-form-urlencoded; charset=utf-8',
  /** Holds the challenge. */
  challengeHeader: 'x-postern-challenge',
  /**
   * Holds the digest of the request to join, see `joinRequestDigest`. The joiner computes it from what it sends itself: whoever was
   * handed a challenge of another control plane can only have exactly this joiner join there, with keys that it does not have.
   */
  requestHeader: 'x-postern-request',
} as const;

/** Names of the signed headers, in the order of the signature: all of these, and no other. */
export function signedHeadersOf({ hasToken }: { readonly hasToken: boolean }): string[] {
  return [
    'accept',
    'content-type',
    'host',
    'x-amz-date',
    ...(hasToken ? ['x-amz-security-token'] : []),
    callerIdentity.challengeHeader,
    callerIdentity.requestHeader,
  ];
}
