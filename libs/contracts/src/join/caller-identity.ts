/**
 * The one request by which a joiner proves an AWS identity, as joiner and control plane both know it: `GetCallerIdentity` of STS, signed
 * by Signature Version 4 with a challenge and the fingerprint of the joiner's key among the signed headers.
 */
export const callerIdentity = {
  method: 'POST',
  body: 'Action=GetCallerIdentity&Version=2011-06-15',
  accept: 'application/json',
  contentType: 'application/x-www-form-urlencoded; charset=utf-8',
  /** Holds the challenge. */
  challengeHeader: 'x-postern-challenge',
  /**
   * Holds the SHA-256 of the joiner's public key, hex. The joiner writes what it knows itself, so that nobody who was handed a
   * challenge of another control plane can have it signed by a joiner of his own.
   */
  keyHeader: 'x-postern-key',
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
    callerIdentity.keyHeader,
  ];
}
