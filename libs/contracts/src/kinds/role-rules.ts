import { type Fields, InvalidResource } from './fields.ts';

/** An administrative rule: these verbs on these resource kinds. */
export interface RoleRule {
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** Verbs of administrative rules. `read` includes `readnosecrets`; `escalate` on `role` is to give what one does not have. */
export const ruleVerbs = [
  'list',
  'create',
  'read',
  'readnosecrets',
  'update',
  'delete',
  'rotate',
  'use',
  'enroll',
  'escalate',
] as const;

/** Validates `rules` of one side of a role. */
export function readRules(fields: Fields, side: 'allow' | 'deny'): RoleRule[] {
  return fields.mappings('rules').map((rule, index) => {
    const refuse = (why: string) => InvalidResource(`failed to process '${side}' rule ${index}: ${why}`);
    const resources = rule.strings('resources') ?? [];
    const verbs = rule.strings('verbs') ?? [];
    if (resources.length === 0 || resources.includes('')) throw refuse('missing resources to match');
    if (verbs.length === 0) throw refuse('missing verbs');
    const unknown = verbs.find((verb) => verb !== '*' && !ruleVerbs.some((known) => known === verb));
    if (unknown !== undefined)
      throw refuse(`verb "${unknown.slice(0, 40)}" is unknown; use * ${ruleVerbs.join(' ')}`);
    // A condition that is not evaluated would make an allow rule wider, or a deny rule narrower, than it was written.
    if (rule.string('where')) throw refuse('"where" is not supported');
    if ((rule.list('actions') ?? []).length > 0) throw refuse('"actions" is not supported');
    rule.end();
    return { resources, verbs };
  });
}
