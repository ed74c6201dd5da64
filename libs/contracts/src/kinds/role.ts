import { defineKind, type Resource } from './define-kind.ts';
import { Fields } from './fields.ts';
import { readConditions, type RoleConditions } from './role-conditions.ts';
import { readOptions, type RoleOptions } from './role-options.ts';
import { type RoleVersion, roleVersions } from './role-version.ts';

/** What a role says: what its holders may do, and what they may not whatever other roles allow. */
export interface RoleSpec {
  readonly options: RoleOptions;
  readonly allow: RoleConditions;
  readonly deny: RoleConditions;
}

/** A role, validated, with the defaults of its version. */
export type Role = Resource<RoleSpec>;

/** Kind `role`. */
export const roleKind = defineKind<RoleSpec>({
  kind: 'role',
  plural: 'roles',
  versions: roleVersions,
  defaultVersion: 'v8',
  normalize(doc) {
    const version = doc.version as RoleVersion;
    const spec = new Fields(doc.spec, 'spec');
    const options = readOptions(spec.mapping('options') ?? new Fields({}, 'spec.options'));
    const allow = readConditions(spec.mapping('allow') ?? new Fields({}, 'spec.allow'), version, 'allow');
    const deny = readConditions(spec.mapping('deny') ?? new Fields({}, 'spec.deny'), version, 'deny');
    spec.end();
    return { ...doc, spec: { options, allow, deny } };
  },
});
