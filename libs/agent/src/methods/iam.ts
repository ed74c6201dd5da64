import { callerIdentity } from '@postern/contracts';
import type { ProvingMethod } from './method.ts';

/**
 * Proves the AWS identity of this process by a signed `GetCallerIdentity`, which only the control plane sends. The credentials are
 * what the SDKs find; nothing of them leaves the process but a signature over this very request.
 */
export const iamMethod: ProvingMethod = {
  name: 'iam',
  hasChallenge: true,
  prove: async ({ challenge, request, env, clock, signal }) => {
    const { signForSts } = await import('@postern/aws');
    const { method, body, accept, contentType, challengeHeader, requestHeader } = callerIdentity;
    const headers = {
      accept,
      'content-type': contentType,
      [challengeHeader]: challenge,
      [requestHeader]: request,
    };
    const signed = await signForSts({ method, body, headers }, { env, clock, signal });
    return { ...signed, headers: Object.entries(signed.headers) };
  },
};
