import type { SignatureV4 } from '@smithy/signature-v4';
import type { AwsCredentials } from './eks/token.ts';
import { Sha256 } from './sha256.ts';

/** What a signature is for, and whose it is. */
export interface Signing {
  readonly service: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
}

/** Signs requests by Signature Version 4. What signs is loaded when something is to be signed first. */
export async function openSigner(signing: Signing): Promise<SignatureV4> {
  const { SignatureV4 } = await import('@smithy/signature-v4');
  // The hash of the body is part of the signature with or without a header that repeats it.
  return new SignatureV4({ ...signing, sha256: Sha256, applyChecksum: false });
}
