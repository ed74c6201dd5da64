import { defineKind, type Resource, type ResourceDocument } from './define-kind.ts';
import { Fields, InvalidResource } from './fields.ts';
import { checkLabels } from './labels.ts';

/** A person who may log in. */
export interface UserSpec {
  /** Role names, each once, in the order given. */
  readonly roles: readonly string[];
  /** Values for role templates: `kubernetes_groups`, `logins`, … */
  readonly traits: Readonly<Record<string, readonly string[]>>;
  /** RFC 3339; after it the user may do nothing. */
  readonly expires?: string;
  readonly status?: { readonly is_locked: boolean; readonly locked_message?: string };
  readonly created_by?: string;
}

/** A local user. */
export const userKind = defineKind<UserSpec>({
  kind: 'user',
  plural: 'users',
  versions: ['v2'],
  defaultVersion: 'v2',
  normalize: normalizeUser,
});

function normalizeUser(doc: ResourceDocument): Resource<UserSpec> {
  const spec = new Fields(doc.spec, 'spec');
  const roles = readRoles(spec);
  const traits = readTraits(spec.mapping('traits'));
  const expires = readExpires(spec.string('expires'));
  const status = readStatus(spec.mapping('status'));
  const createdBy = readCreatedBy(spec.raw('created_by'));
  // Written by other releases; logins and identities of other systems are not kept here.
  spec.ignore('oidc_identities', 'saml_identities', 'github_identities', 'trusted_device_ids', 'local_auth');
  spec.end();
  checkLabels(doc.metadata.labels ?? {});
  const optional = { expires, status, created_by: createdBy };
  const given = Object.entries(optional).filter(([, value]) => value !== undefined);
  return { ...doc, spec: { roles, traits, ...Object.fromEntries(given) } };
}

function readRoles(spec: Fields): string[] {
  const roles = spec.strings('roles') ?? [];
  if (roles.some((role) => role === '' || role.length > 253))
    throw InvalidResource('spec.roles holds an empty or too long name');
  if (roles.length > 256) throw InvalidResource('spec.roles holds more than 256 names');
  return [...new Set(roles)];
}

function readTraits(fields: Fields | undefined): Record<string, string[]> {
  const names = fields?.names() ?? [];
  if (names.length > 256) throw InvalidResource('spec.traits holds more than 256 names');
  const traits = names.map((name): [string, string[]] => {
    if (!/^[\p{L}\p{N}_./:@-]{1,200}$/u.test(name))
      throw InvalidResource(`invalid trait name ${JSON.stringify(name.slice(0, 100))}`);
    return [name, fields?.strings(name) ?? []];
  });
  return Object.fromEntries(traits);
}

function readExpires(text: string | undefined): string | undefined {
  // Other releases print Go's zero time where nothing expires.
  if (!text || text.startsWith('0001-01-01T')) return undefined;
  const millis = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(millis)) throw InvalidResource('spec.expires must be a time like 2030-01-02T15:04:05Z');
  return new Date(millis).toISOString();
}

function readStatus(fields: Fields | undefined): UserSpec['status'] {
  if (!fields) return undefined;
  const locked = fields.boolean('is_locked') ?? false;
  const message = fields.string('locked_message');
  fields.ignore(
    'lock_expires',
    'locked_time',
    'recovery_attempt_lock_expires',
    'password_state',
    'mfa_weakest_device',
  );
  fields.end();
  if (!locked) return undefined;
  return { is_locked: true, ...(message ? { locked_message: message } : {}) };
}

/** `created_by: {user: {name: x}}` as other releases write it, or the name alone. */
function readCreatedBy(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return value || undefined;
  const fields = new Fields(value, 'spec.created_by');
  return fields.mapping('user')?.string('name');
}
