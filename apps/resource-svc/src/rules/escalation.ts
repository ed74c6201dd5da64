import { mayRule } from '@postern/access';
import type { RoleSpec, UserSpec } from '@postern/contracts';
import { AccessDenied, type Caller } from './caller.ts';

/**
 * Refuses a role whose administrative rules go beyond those of its author: whoever may write roles must not thereby become
 * able to do everything else.
 */
export function refuseWiderRules({ roles }: Caller, { allow }: RoleSpec): void {
  for (const { resources, verbs } of allow.rules ?? []) {
    const pairs = resources.flatMap((resource) => verbs.map((verb) => ({ resource, verb })));
    const wider = pairs.find(({ resource, verb }) => !mayRule(roles, resource, verb));
    if (wider) {
      throw AccessDenied(
        `access denied: the role would allow "${wider.verb}" on "${wider.resource}", which your own roles do not`,
      );
    }
  }
}

/** Refuses handing out a role that the caller neither holds nor could write. */
export function refuseForeignRoles({ roles }: Caller, next: UserSpec, held: readonly string[]): void {
  if (mayRule(roles, 'role', 'create') && mayRule(roles, 'role', 'update')) return;
  const own = new Set([...roles.map((role) => role.metadata.name), ...held]);
  const foreign = next.roles.find((role) => !own.has(role));
  if (foreign !== undefined)
    throw AccessDenied(`access denied: you cannot give the role "${foreign}", which you do not have`);
}
