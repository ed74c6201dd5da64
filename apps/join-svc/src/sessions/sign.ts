import { explainMissing, maxSessionTtlMs, mayRule } from '@postern/access';
import { SignedCertificate, SignRequest } from '@postern/contracts';
import { failure, uuidv7 } from '@postern/core';
import { allowIf, route } from '@postern/http';
import { type Principal, readCsr, spiffeId } from '@postern/identity';
import type { UserState } from '@postern/policy';
import { after, certifyUser } from '../authorities/certify.ts';
import type { JoinDeps } from '../deps.ts';
import { callingUser, checkActive, findUser } from './caller.ts';
import { startSession } from './session.ts';

/** Somebody without the right wants a certificate for another user. */
const MayNotSign = failure('permission_denied', 'join.may_not_sign', (why: string) => why);

/** A request that does not say whose certificate is wanted. */
const UserMissing = failure('invalid_argument', 'join.user_missing', () => 'name the user to sign for');

/** `tctl auth sign`: a certificate, and a session of its own, for any user, by one who may create `user_cert`. */
export const signRoute = route<JoinDeps>()({
  method: 'POST',
  url: '/v1/auth/sign',
  allow: allowIf<JoinDeps>('users whose roles may create user_cert', ({ deps, principal }) =>
    maySign(deps, principal),
  ),
  body: SignRequest,
  reply: SignedCertificate,
  handle: async (deps, { body, principal }) => {
    if (body.user === undefined) throw UserMissing();
    const { publicKey } = await readCsr(body.csr);
    const user = await findUser(deps, body.user);
    checkActive(deps, user);
    const session = uuidv7(deps.clock().getTime());
    const notAfter = after(deps.clock, Math.min(body.ttlSeconds * 1000, longestFor(deps, user)));
    await startSession(deps, { session, user: user.name, by: spiffeId(principal), notAfter });
    return signed(deps, { user: user.name, session, publicKey, notAfter });
  },
});

/** A user's new certificate for another key in the same session, which it does not outlive. */
export const certificatesRoute = route<JoinDeps>()({
  method: 'POST',
  url: '/v1/certificates',
  allow: 'authenticated',
  body: SignRequest,
  reply: SignedCertificate,
  handle: async (deps, { body, principal }) => {
    const user = await callingUser(deps, principal);
    checkActive(deps, user);
    if (body.user !== undefined && body.user !== user.name)
      throw MayNotSign('only your own certificate is issued here');
    const { publicKey } = await readCsr(body.csr);
    const wanted = after(deps.clock, body.ttlSeconds * 1000);
    const notAfter = wanted < principal.notAfter ? wanted : principal.notAfter;
    return signed(deps, { user: user.name, session: principal.session!, publicKey, notAfter });
  },
});

async function maySign(deps: JoinDeps, principal: Principal): Promise<boolean> {
  const roles = deps.policy.rolesOf(await callingUser(deps, principal));
  if (!mayRule(roles, 'user_cert', 'create')) throw MayNotSign(explainMissing(roles, 'user_cert', 'create'));
  return true;
}

function longestFor({ policy, userTtlMs }: JoinDeps, user: UserState): number {
  return Math.min(userTtlMs, maxSessionTtlMs(policy.rolesOf(user)) ?? userTtlMs);
}

async function signed(deps: JoinDeps, spec: Parameters<typeof certifyUser>[1]): Promise<SignedCertificate> {
  const { hostCa, clusterName } = deps.certifier.authorities;
  const certificate = await certifyUser(deps.certifier, spec);
  return {
    user: spec.user,
    clusterName,
    certificate,
    hostCa,
    notAfter: spec.notAfter.toISOString(),
  };
}
