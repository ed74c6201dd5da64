import { sha256Hex } from '@postern/core';
import { defineKind, type Resource, type ResourceDocument } from './define-kind.ts';
import { Fields, InvalidResource } from './fields.ts';
import { checkLabels } from './labels.ts';
import { isMaskedName } from './token.ts';

/**
 * What a lock may be on. `server_id` is the id of an agent, `session` that of a signed-in session. `join_token` is a token by which
 * agents join: nobody joins by it, and whoever has may do nothing.
 */
export const lockTargets = ['user', 'role', 'session', 'server_id', 'join_token', 'kube_cluster'] as const;
export type LockTargetField = (typeof lockTargets)[number];

/** One user, role, session, agent, token or cluster. */
export interface LockTarget {
  readonly field: LockTargetField;
  readonly value: string;
}

/** Somebody or something that may do nothing while the lock is there. */
export interface LockSpec {
  /** Names exactly one target. */
  readonly target: Readonly<Partial<Record<LockTargetField, string>>>;
  /** Shown to whoever is refused because of it. */
  readonly message?: string;
  /** RFC 3339; the lock is gone after it. Without it the lock stays until it is removed. */
  readonly expires?: string;
}

/** A lock: whatever it is on is refused everywhere, whatever any role allows, and what is open is cut. */
export const lockKind = defineKind<LockSpec>({
  kind: 'lock',
  plural: 'locks',
  versions: ['v2'],
  defaultVersion: 'v2',
  normalize: normalizeLock,
});

/** What a lock is on. */
export function lockTargetOf({ target }: Pick<LockSpec, 'target'>): LockTarget {
  const field = lockTargets.find((each) => target[each] !== undefined);
  if (field === undefined) throw InvalidResource(noTarget);
  return { field, value: target[field]! };
}

/** A token as locks name it, whose name may be a secret: by the SHA-256 of its name, hex. */
export function lockedToken(tokenId: string): LockTarget {
  return { field: 'join_token', value: `${tokenPrefix}${tokenId}` };
}

/** The token that a lock on a token is on; undefined where the text names none. */
export function tokenIdOf(value: string): string | undefined {
  return value.startsWith(tokenPrefix) ? value.slice(tokenPrefix.length) : undefined;
}

const tokenPrefix = 'sha256:';

/** Targets that other releases lock and that do not exist here. A lock that locks nothing must not look like one. */
const unknownTargets = ['login', 'node', 'mfa_device', 'windows_desktop', 'access_request', 'device'];
const noTarget = `spec.target must name one of ${lockTargets.join(', ')}`;

function normalizeLock(doc: ResourceDocument): Resource<LockSpec> {
  const spec = new Fields(doc.spec, 'spec');
  const target = readTarget(spec.mapping('target') ?? new Fields({}, 'spec.target'));
  const message = readMessage(spec.string('message'));
  const expires = earliest(spec.time('expires'), doc.metadata.expires);
  // Who made a lock and when is recorded with every change of it.
  spec.ignore('created_at', 'created_by');
  spec.end();
  checkLabels(doc.metadata.labels ?? {});
  return {
    ...doc,
    metadata: { ...doc.metadata, ...(expires ? { expires } : {}) },
    spec: { target, ...(message ? { message } : {}), ...(expires ? { expires } : {}) },
  };
}

function readTarget(fields: Fields): LockSpec['target'] {
  const foreign = unknownTargets.find((name) => fields.has(name));
  if (foreign !== undefined)
    throw InvalidResource(`spec.target.${foreign} would lock nothing here: ${noTarget}`);
  fields.ignore(...unknownTargets);
  const given = lockTargets.flatMap((field): [LockTargetField, string][] => {
    const value = fields.string(field);
    return value ? [[field, value]] : [];
  });
  fields.end();
  if (given.length === 0) throw InvalidResource(noTarget);
  if (given.length > 1)
    throw InvalidResource(
      `spec.target names ${given.map(([field]) => field).join(' and ')}: make a lock for each`,
    );
  const [[field, value]] = given as [[LockTargetField, string]];
  if (value.length > 600 || /\p{Cc}/u.test(value))
    throw InvalidResource(`spec.target.${field} is longer than 600 characters or holds a control character`);
  return { [field]: field === 'join_token' ? readToken(value) : value };
}

/** The name of a token is not kept, since whoever knows it may be able to join. */
function readToken(value: string): string {
  if (value.startsWith(tokenPrefix)) {
    if (/^[0-9a-f]{64}$/.test(value.slice(tokenPrefix.length))) return value;
    throw InvalidResource('spec.target.join_token names a token by sha256: and 64 hexadecimal digits');
  }
  if (isMaskedName(value))
    throw InvalidResource(
      'spec.target.join_token is masked: give the whole token, or sha256: and the tokenId of the AgentJoined that shows it',
    );
  return lockedToken(sha256Hex(value)).value;
}

function readMessage(message: string | undefined): string | undefined {
  if (message !== undefined && (message.length > 1024 || /\p{Cc}/u.test(message)))
    throw InvalidResource('spec.message must be one line of at most 1024 characters');
  return message || undefined;
}

/** Both name the end: `spec.expires` is where locks say it, and `metadata.expires` is what every resource ends by. */
function earliest(...times: readonly (string | undefined)[]): string | undefined {
  return times.filter((time) => time !== undefined).toSorted()[0];
}
