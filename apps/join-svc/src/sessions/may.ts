import { explainMissing, mayRule } from '@postern/access';
import { failure } from '@postern/core';
import { type AllowRule, allowIf } from '@postern/http';
import type { JoinDeps } from '../deps.ts';
import { callingUser, checkActive } from './caller.ts';

/** Somebody without a rule that allows it. */
const MayNot = failure('permission_denied', 'join.access_denied', (why: string) => why);

/** The rule of users whose roles allow a verb on a kind. */
export function may(verb: string, kind: string): AllowRule<JoinDeps> {
  return allowIf(`rule ${verb} on ${kind}`, async ({ deps, principal }) => {
    const user = await callingUser(deps, principal);
    checkActive(deps, user);
    const roles = deps.policy.rolesOf(user);
    if (!mayRule(roles, kind, verb)) throw MayNot(explainMissing(roles, kind, verb));
    return true;
  });
}
