import { type AllowRule, allowIf } from '@postern/http';
import type { ServiceDeps } from '../service-deps.ts';
import { callerOf, requireRule } from './caller.ts';

/** The rule of users whose roles allow a verb on a kind. */
export function may(verb: string, kind: string): AllowRule<ServiceDeps> {
  return allowIf(`rule ${verb} on ${kind}`, async ({ deps: { lookup }, principal }) => {
    requireRule(await callerOf(lookup, principal), kind, [verb]);
    return true;
  });
}
