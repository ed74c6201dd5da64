import { failure, isPlainObject } from '@postern/core';
import { type ApiServer, ask, objectOf } from '@postern/kube';
import { decodeJwt } from 'jose';
import { ProofRefused } from '../method.ts';
import { accountOf, boundPod, type ServiceAccount } from './service-account.ts';

/** The API server of the cluster join-svc runs in. */
export interface TokenReviewer {
  /** The account and pod of a token, or `ProofRefused`; anything unavailable where the API server cannot be asked. */
  review(token: string): Promise<ServiceAccount>;
}

/** Tokens are to be reviewed by an API server, and there is none, or it does not do so now. */
export const ReviewUnavailable = failure(
  'unavailable',
  'join.token_review_unavailable',
  () => 'the API server that vouches for this token cannot be asked now; try again later',
);

const path = '/apis/authentication.k8s.io/v1/tokenreviews';
const podName = 'authentication.kubernetes.io/pod-name';
const podUid = 'authentication.kubernetes.io/pod-uid';

/**
 * Reviews tokens at an API server (authentication.k8s.io/v1 TokenReview), which refuses those of pods and accounts that are gone.
 * Good are tokens for the Postern cluster, and those for whom our own token is: that of an agent without a projected volume of
 * its own. Without a token of our own only the former are.
 */
export function tokenReviewer(
  server: ApiServer,
  { clusterName, ownToken }: { readonly clusterName: string; readonly ownToken?: string | undefined },
): TokenReviewer {
  const audiences = reviewAudiences(clusterName, ownToken);
  const body = (token: string) => ({
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token, ...(audiences.length > 0 ? { audiences } : {}) },
  });
  return {
    review: async (token) => {
      const answer = await ask(server, { path, body: JSON.stringify(body(token)) });
      if (answer.status !== 200 && answer.status !== 201)
        throw ReviewUnavailable.from(new TypeError(`a TokenReview was answered with ${answer.status}`));
      const status = (objectOf(answer) as { status?: unknown }).status;
      return reviewedAccount(isPlainObject(status) ? status : {}, audiences);
    },
  };
}

/** Our own audiences and the cluster; none at all for an own token of the kind that has none. */
export function reviewAudiences(clusterName: string, ownToken: string | undefined): string[] {
  const own = ownToken === undefined ? undefined : audiencesOf(ownToken);
  if (own === undefined) return [clusterName];
  return own.length === 0 ? [] : [...new Set([...own, clusterName])];
}

/** Undefined for a token that says nothing, such as one of a static token file. */
function audiencesOf(token: string): string[] | undefined {
  try {
    return [decodeJwt(token).aud ?? []].flat();
  } catch {
    return undefined;
  }
}

/** The account in the status of a TokenReview; throws `ProofRefused` unless it is a pod of a service account. */
export function reviewedAccount(
  status: Readonly<Record<string, unknown>>,
  audiences: readonly string[],
): ServiceAccount {
  const { authenticated, error } = status;
  if (authenticated !== true || error)
    throw ProofRefused(
      `kubernetes failed to validate token: ${typeof error === 'string' ? error.slice(0, 300) : 'not authenticated'}`,
    );
  requireAudience(status['audiences'], audiences);
  const user = isPlainObject(status['user']) ? status['user'] : {};
  const account = accountOf(user['username']);
  const groups: unknown = user['groups'];
  if (!Array.isArray(groups) || !groups.includes('system:serviceaccounts'))
    throw ProofRefused('token user is not in the group system:serviceaccounts');
  const extra = isPlainObject(user['extra']) ? user['extra'] : {};
  return { ...account, ...boundPod(single(extra[podName]), single(extra[podUid])) };
}

/** An API server that does not know audiences answers with none: then the token was never checked for ours. */
function requireAudience(reviewed: unknown, asked: readonly string[]): void {
  if (asked.length === 0) return;
  const isOurs = Array.isArray(reviewed) && reviewed.some((audience) => asked.includes(audience as string));
  if (!isOurs) throw ProofRefused('kubernetes did not check the token for our audience');
}

function single(values: unknown): unknown {
  return Array.isArray(values) && values.length === 1 ? values[0] : undefined;
}
