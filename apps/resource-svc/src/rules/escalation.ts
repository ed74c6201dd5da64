import { type Holder, kubeGiftBeyond, type KubeGift, mayEscalate, mayRule } from '@postern/access';
import { type Role, ruleVerbs, type TokenSpec, type UserSpec } from '@postern/contracts';
import { AccessDenied, type Caller } from './caller.ts';

/**
 * Refuses a role that gives more than its author has: whoever may write roles must not thereby become able to do everything
 * else. A denial that goes counts as something given, whoever holds the role.
 *
 * Administrative rules have to be the author's own. What a role allows in clusters has to be too, unless the author may
 * `escalate` roles.
 */
export function refuseWiderRole(caller: Caller, next: Role, before: Role | undefined): void {
  const wider = firstBeyond(caller, before ? [before, next] : [next], (resource, verb) => {
    const isFreed = before !== undefined && denies(before, resource, verb) && !denies(next, resource, verb);
    return isFreed || mayRule([next], resource, verb);
  });
  if (wider) throw AccessDenied(`access denied: the role would allow ${wider}, which your own roles do not`);
  const had = before && { user: { name: '', traits: {} }, roles: [before] };
  refuseKubeGift(caller, { roles: [next], among: [next], had });
}

/** A user that is to be written, as far as it matters here. */
export interface UserChange {
  readonly next: Pick<UserSpec, 'roles' | 'traits'>;
  readonly before: Pick<UserSpec, 'roles' | 'traits'> | undefined;
  /** The roles that the user has before or after, those of them that there are. */
  readonly roles: readonly Role[];
}

/** Refuses to give a user what the caller neither has nor could write: roles, and traits that roles are filled in with. */
export function refuseForeignGifts(caller: Caller, change: UserChange): void {
  const { next, before, roles } = change;
  const mayWriteRoles = ['create', 'update'].every((verb) => mayRule(caller.roles, 'role', verb));
  refuseForeignRoles(caller, change, mayWriteRoles);
  if (!mayWriteRoles) refuseForeignTraits(caller, change);
  const named = (names: readonly string[]) => roles.filter(({ metadata }) => names.includes(metadata.name));
  const had = before && { user: { name: '', traits: before.traits }, roles: named(before.roles) };
  refuseKubeGift(caller, { roles: named(next.roles), among: named(next.roles), traits: next.traits, had });
}

/** Refuses a token that makes whoever has it part of the control plane, unless the caller may do everything anyway. */
export function refuseServiceToken(caller: Caller, { roles }: Pick<TokenSpec, 'roles'>): void {
  const role = roles.find((each) => each === 'Auth' || each === 'Proxy');
  if (role !== undefined && firstBeyond(caller, [], () => true) !== undefined)
    throw AccessDenied(
      `access denied: only who may do everything can let in a process with the role ${role}`,
    );
}

/** Refuses a token with which anybody becomes a bot that may do more than the caller. `bot` is what the bot has by then. */
export function refuseBotToken(caller: Caller, bot: Holder): void {
  const wider = firstBeyond(caller, bot.roles, (...rule) => mayRule(bot.roles, ...rule));
  if (wider) throw AccessDenied(`access denied: the bot may do ${wider}, which your own roles do not allow`);
  refuseKubeGift(caller, { roles: bot.roles, among: bot.roles, traits: bot.user.traits });
}

function refuseKubeGift({ name, traits, roles }: Caller, gift: KubeGift): void {
  if (mayEscalate(roles)) return;
  const beyond = kubeGiftBeyond({ user: { name, traits }, roles }, gift);
  if (beyond !== undefined)
    throw AccessDenied(
      `access denied: this would give ${beyond}, which goes beyond your own roles; have them give it to you first, or the verb escalate on role`,
    );
}

function refuseForeignRoles(caller: Caller, { next, before, roles }: UserChange, mayWrite: boolean): void {
  const had = before?.roles ?? [];
  const own = new Set(caller.roles.map((role) => role.metadata.name));
  for (const name of next.roles) {
    if (had.includes(name) || own.has(name)) continue;
    const role = roles.find(({ metadata }) => metadata.name === name);
    if (!mayWrite || (role && firstBeyond(caller, [role], (...rule) => mayRule([role], ...rule))))
      throw AccessDenied(`access denied: you cannot give the role "${name}", which you do not have`);
  }
  for (const role of roles) {
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
