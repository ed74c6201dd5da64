import { callerIdentity, signedHeadersOf } from '@postern/contracts';
import type { CallerProof } from './signed-request.ts';

/** The request to STS that a proof stands for: built from its facts, nothing is copied. */
export function stsRequestOf(
  { host, accessKeyId, date, signature, token }: CallerProof,
  { challenge, request }: { readonly challenge: string; readonly request: string },
): { readonly headers: Record<string, string>; readonly body: string } {
  const scope = `${accessKeyId}/${date.slice(0, 8)}/${host.region}/sts/aws4_request`;
  const signedHeaders = signedHeadersOf({ hasToken: token !== undefined }).join(';');
  return {
    headers: {
      host: host.host,
      accept: callerIdentity.accept,
      'content-type': callerIdentity.contentType,
      'x-amz-date': date,
      ...(token === undefined ? {} : { 'x-amz-security-token': token }),
      [callerIdentity.challengeHeader]: challenge,
      [callerIdentity.requestHeader]: request,
      authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
    },
    body: callerIdentity.body,
  };
}
