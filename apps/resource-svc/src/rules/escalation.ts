import { mayRule } from '@postern/access';
import { type Role, ruleVerbs, type TokenSpec, type UserSpec } from '@postern/contracts';
import { AccessDenied, type Caller } from './caller.ts';

/**
 * Refuses a role that gives more than its author has: whoever may write roles must not thereby become able to do everything
 * else. A denial that goes counts as something given, whoever holds the role.
 *
 * This is about administrative rules. What a role says about clusters is for its author to decide.
 */
export function refuseWiderRole(caller: Caller, next: Role, before: Role | undefined): void {
  const wider = firstBeyond(caller, before ? [before, next] : [next], (resource, verb) => {
    const isFreed = before !== undefined && denies(before, resource, verb) && !denies(next, resource, verb);
    return isFreed || mayRule([next], resource, verb);
  });
  if (wider) throw AccessDenied(`access denied: the role would allow ${wider}, which your own roles do not`);
}

/** A user that is to be written, as far as it matters here. */
export interface UserChange {
  readonly next: Pick<UserSpec, 'roles' | 'traits'>;
  readonly before: Pick<UserSpec, 'roles' | 'traits'> | undefined;
  /** The roles that the change gives or takes, those of them that there are. */
  readonly changed: readonly Role[];
}

/** Refuses to give a user what the caller neither has nor could write: roles, and traits that roles are filled in with. */
export function refuseForeignGifts(caller: Caller, change: UserChange): void {
  const mayWriteRoles = ['create', 'update'].every((verb) => mayRule(caller.roles, 'role', verb));
  refuseForeignRoles(caller, change, mayWriteRoles);
  if (!mayWriteRoles) refuseForeignTraits(caller, change);
}

/** Refuses a token that makes whoever has it part of the control plane, unless the caller may do everything anyway. */
export function refuseServiceToken(caller: Caller, { roles }: Pick<TokenSpec, 'roles'>): void {
  const role = roles.find((each) => each === 'Auth' || each === 'Proxy');
  if (role !== undefined && firstBeyond(caller, [], () => true) !== undefined)
    throw AccessDenied(
      `access denied: only who may do everything can let in a process with the role ${role}`,
    );
}

function refuseForeignRoles(caller: Caller, { next, before, changed }: UserChange, mayWrite: boolean): void {
  const had = before?.roles ?? [];
  const own = new Set(caller.roles.map((role) => role.metadata.name));
  for (const name of next.roles) {
    if (had.includes(name) || own.has(name)) continue;
    const role = changed.find(({ metadata }) => metadata.name === name);
    if (!mayWrite || (role && firstBeyond(caller, [role], (...rule) => mayRule([role], ...rule))))
      throw AccessDenied(`access denied: you cannot give the role "${name}", which you do not have`);
  }
  for (const role of changed) {
    const { name } = role.metadata;
    if (next.roles.includes(name)) continue;
    const freed = firstBeyond(caller, [role], (...rule) => denies(role, ...rule));
    if (freed) throw AccessDenied(`access denied: you cannot take the role "${name}", which denies ${freed}`);
  }
}

function refuseForeignTraits(caller: Caller, { next, before }: UserChange): void {
  for (const [trait, values] of Object.entries(next.traits)) {
    const known = [...valuesOf(before?.traits, trait), ...valuesOf(caller.traits, trait)];
    if (values.some((value) => !known.includes(value)))
      throw AccessDenied(
        `access denied: you cannot give a value of the trait "${trait}" that you do not have`,
      );
  }
}

function valuesOf(traits: UserSpec['traits'] | undefined, trait: string): readonly string[] {
  return traits && Object.hasOwn(traits, trait) ? traits[trait]! : [];
}

type Given = (resource: string, verb: string) => boolean;

/**
 * The first right that is given and that the caller does not have. Asked is about every resource that a rule involved
 * names, and about `*`, which stands for all that no rule names.
 */
function firstBeyond({ roles }: Caller, involved: readonly Role[], given: Given): string | undefined {
  const rules = [...roles, ...involved].flatMap(({ spec: { allow, deny } }) => [
    ...(allow.rules ?? []),
    ...(deny.rules ?? []),
  ]);
  const resources = new Set(['*', ...rules.flatMap((rule) => rule.resources)]);
  for (const resource of resources) {
    const verb = [...ruleVerbs, '*'].find((each) => given(resource, each) && !mayRule(roles, resource, each));
    if (verb !== undefined) return `"${verb}" on "${resource}"`;
  }
  return undefined;
}

const everything = {
  spec: { allow: { rules: [{ resources: ['*'], verbs: ['*'] }] }, deny: {} },
} as unknown as Role;

function denies(role: Role, resource: string, verb: string): boolean {
  return !mayRule([everything, role], resource, verb);
}
