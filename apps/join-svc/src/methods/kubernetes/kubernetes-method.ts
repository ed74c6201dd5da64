import type { KubernetesJoin } from '@postern/contracts';
import { sha256Hex } from '@postern/core';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { Type } from 'typebox';
import { joinMethod, type MethodDeps, ProofRefused, type Proved } from '../method.ts';
import { verifyBoundToken } from './bound-token.ts';
import { readKeySet } from './key-set.ts';
import { requireAllowed, type ServiceAccount } from './service-account.ts';

/** Tokens of service accounts are about 1 kB. */
const maxTokenLength = 8 * 1024;

const proof = Type.Object(
  { token: Type.String({ maxLength: maxTokenLength, pattern: '^[\\w-]+\\.[\\w-]+\\.[\\w-]*$' }) },
  { additionalProperties: false },
);

/**
 * A pod proves which service account it runs as, by the token that its cluster gave it. One token makes one agent for each system
 * role, until the cluster gives the pod another.
 */
export const kubernetesMethod = joinMethod({
  name: 'kubernetes',
  proof,
  verify: async (deps, { token, roles, proof: { token: jwt } }) => {
    const rules = token.spec['kubernetes'] as KubernetesJoin | undefined;
    if (!rules) throw ProofRefused('the token has no kubernetes block');
    const account = await accountOf(deps, rules, jwt);
    requireAllowed(rules.allow, account);
    return { attributes: attributesOf(rules, account), once: usesOf(jwt, roles) };
  },
});

async function accountOf(deps: MethodDeps, rules: KubernetesJoin, jwt: string): Promise<ServiceAccount> {
  try {
    return await verifyWith(deps, rules, jwt);
  } catch (error) {
    if (!ProofRefused.is(error)) throw error;
    throw ProofRefused.from(error, `reviewing kubernetes token with ${rules.type}: ${error.message}`);
  }
}

function verifyWith(
  { clock, clusterName: audience, kubernetes: { reviewer, issuers } }: MethodDeps,
  { type, static_jwks: jwks, oidc }: KubernetesJoin,
  jwt: string,
): Promise<ServiceAccount> {
  const expected = { type, audience, at: clock() };
  if (type === 'static_jwks') return verifyBoundToken(jwt, readKeySet(jwks?.jwks ?? '{}'), expected);
  if (type === 'oidc') return verifyByIssuer(issuers, oidc!, { ...expected, jwt });
  if (reviewer) return reviewer.review(jwt);
  throw ProofRefused('join-svc runs in no cluster and has no POSTERN_KUBECONFIG');
}

interface IssuedToken {
  readonly jwt: string;
  readonly type: string;
  readonly audience: string;
  readonly at: Date;
}

/** An issuer is asked for its keys only by a token that says it is from there: others cost nothing. */
async function verifyByIssuer(
  issuers: MethodDeps['kubernetes']['issuers'],
  oidc: NonNullable<KubernetesJoin['oidc']>,
  { jwt, ...expected }: IssuedToken,
): Promise<ServiceAccount> {
  const { kid, iss } = unverified(jwt);
  if (iss !== oidc.issuer) throw ProofRefused('the token is of another issuer');
  const keys = await issuers.of(oidc, kid);
  return verifyBoundToken(jwt, keys, { ...expected, issuer: oidc.issuer });
}

function unverified(jwt: string): { readonly kid: string | undefined; readonly iss: string | undefined } {
  try {
    return { kid: decodeProtectedHeader(jwt).kid, iss: decodeJwt(jwt).iss };
  } catch (error) {
    throw ProofRefused.from(error, 'the token is no JWT');
  }
}

function attributesOf(
  { type }: KubernetesJoin,
  { namespace, name, podName, podUid }: ServiceAccount,
): Proved['attributes'] {
  return {
    kubernetes_type: type,
    kubernetes_namespace: namespace,
    kubernetes_service_account: name,
    kubernetes_pod: podName,
    kubernetes_pod_uid: podUid,
  };
}

/** Names the token by what it says: its signature may have a second form, what it says has not. */
function usesOf(jwt: string, roles: readonly string[]): NonNullable<Proved['once']> {
  const [, payload = ''] = jwt.split('.');
  const { exp } = decodeJwt(jwt);
  const until = exp === undefined ? {} : { until: new Date(exp * 1000) };
  return roles.map((role) => ({ proof: `kubernetes:${sha256Hex(payload)}:${role}`, ...until }));
}
