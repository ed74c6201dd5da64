import {
  type EventOf,
  originLabel,
  type PublicResource,
  ResourceDeleted,
  ResourceUpserted,
} from '@postern/contracts';
import { assertNever, canonicalJson, failure, type Json } from '@postern/core';
import { type ResourceRef, revisionOf } from './resource-name.ts';

const AlreadyExists = failure(
  'already_exists',
  'resource.already_exists',
  (kind: string, name: string) => `${kind} "${name}" already exists`,
);

export const NotFound = failure(
  'not_found',
  'resource.not_found',
  (kind: string, name: string) => `${kind} "${name}" not found`,
);

export const RevisionConflict = failure(
  'conflict',
  'resource.revision_conflict',
  (kind: string, name: string) => `${kind} "${name}" has changed: its revision does not match, read it again`,
);

const OriginConflict = failure(
  'failed_precondition',
  'resource.origin_conflict',
  (name: string, origin: string) =>
    `kube_cluster "${name}" is managed by another origin (${origin}) and cannot be replaced`,
);

const OriginReserved = failure(
  'invalid_argument',
  'resource.origin_reserved',
  (origin: string) =>
    `a resource cannot be created with the label ${originLabel}: ${origin}; leave the label out`,
);

/** A resource as its stream has it so far. Secrets are names of rows in the secret store. */
export type ResourceState =
  | { readonly state: 'absent'; readonly version: number }
  | {
      readonly state: 'present';
      readonly version: number;
      readonly resource: PublicResource;
      readonly secrets: Readonly<Record<string, string>>;
    };

export interface WriteResource {
  readonly type: 'WriteResource';
  /** A preset is made where nothing ever was. */
  readonly mode: 'create' | 'put' | 'preset';
  readonly ref: ResourceRef;
  readonly resource: PublicResource;
  /** New secrets by path. A path that is in neither list keeps what is stored. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Rows that hold the value of a new secret already, by path: where one is still in its place it stays. */
  readonly same?: Readonly<Record<string, string>>;
  readonly dropped: readonly string[];
  /** The origin that a resource may be created with besides `dynamic`: it is the service's own doing. */
  readonly origin?: string;
  readonly ifMatch?: string;
  readonly now: Date;
}

export interface DeleteResource {
  readonly type: 'DeleteResource';
  readonly ref: ResourceRef;
  readonly reason: 'removed' | 'expired';
  /** How the resource is called in messages. */
  readonly name: string;
  readonly ifMatch?: string;
  readonly now: Date;
}

export type ResourceCommand = WriteResource | DeleteResource;
export type ResourceEvent = EventOf<typeof ResourceUpserted> | EventOf<typeof ResourceDeleted>;

export const initialResource: ResourceState = { state: 'absent', version: 0 };

export function decideResource(command: ResourceCommand, state: ResourceState): ResourceEvent[] {
  switch (command.type) {
    case 'WriteResource':
      return write(command, state);
    case 'DeleteResource':
      return remove(command, state);
    default:
      return assertNever(command);
  }
}

export function evolveResource(state: ResourceState, event: ResourceEvent): ResourceState {
  const version = state.version + 1;
  switch (event.type) {
    case 'ResourceUpserted':
      return { state: 'present', version, resource: event.data.resource, secrets: event.data.secrets };
    case 'ResourceDeleted':
      return { state: 'absent', version };
    default:
      return assertNever(event);
  }
}

/** Whether the time a resource was given has passed: it is gone for every reader, also before the stream says so. */
export function isExpired({ metadata: { expires } }: Pick<PublicResource, 'metadata'>, now: Date): boolean {
  return expires !== undefined && Date.parse(expires) <= now.getTime();
}

function write(command: WriteResource, state: ResourceState): ResourceEvent[] {
  if (command.mode === 'preset' && state.version > 0) return [];
  if (state.state === 'present' && isExpired(state.resource, command.now)) {
    return [expired(command.ref), ...create(command, { state: 'absent', version: state.version + 1 })];
  }
  return state.state === 'present' ? replace(command, state) : create(command, state);
}

function create(command: WriteResource, state: ResourceState): ResourceEvent[] {
  const { ref, resource } = command;
  if (command.ifMatch !== undefined) throw NotFound(ref.kind, resource.metadata.name);
  const origin = originOf(resource);
  if (origin !== undefined && origin !== (command.origin ?? 'dynamic')) throw OriginReserved(origin);
  return [upserted(command, { created: state.state === 'absent', secrets: command.secrets })];
}

function replace(command: WriteResource, state: ResourceState & { state: 'present' }): ResourceEvent[] {
  const { ref, resource, ifMatch } = command;
  const { name } = resource.metadata;
  if (command.mode === 'create') throw AlreadyExists(ref.kind, name);
  if (ifMatch !== undefined && ifMatch !== revisionOf(ref, state.version))
    throw RevisionConflict(ref.kind, name);
  const origin = originOf(state.resource);
  if (origin !== undefined && origin !== originOf(resource)) throw OriginConflict(name, origin);
  const kept = Object.entries(state.secrets).filter(([path]) => !command.dropped.includes(path));
  const changed = Object.entries(command.secrets).filter(
    ([path]) => command.same?.[path] === undefined || command.same[path] !== state.secrets[path],
  );
  const secrets = { ...Object.fromEntries(kept), ...Object.fromEntries(changed) };
  const isSame = isEqual(resource, state.resource) && isEqual(secrets, state.secrets);
  return isSame ? [] : [upserted(command, { created: false, secrets })];
}

function remove({ ref, reason, name, ifMatch, now }: DeleteResource, state: ResourceState): ResourceEvent[] {
  const isPresent = state.state === 'present';
  // The job that deletes what expired may come late, or twice, or after the time was changed.
  if (reason === 'expired') return isPresent && isExpired(state.resource, now) ? [expired(ref)] : [];
  if (!isPresent || isExpired(state.resource, now)) throw NotFound(ref.kind, name);
  if (ifMatch !== undefined && ifMatch !== revisionOf(ref, state.version))
    throw RevisionConflict(ref.kind, name);
  return [ResourceDeleted({ ...ref, reason })];
}

interface Outcome {
  readonly created: boolean;
  readonly secrets: Record<string, string>;
}

function upserted({ ref, resource }: WriteResource, { created, secrets }: Outcome): ResourceEvent {
  return ResourceUpserted({ ...ref, created, resource, secrets });
}

function expired(ref: ResourceRef): ResourceEvent {
  return ResourceDeleted({ ...ref, reason: 'expired' });
}

/** Only a kube_cluster has its origin protected: two sources must not fight over one cluster. */
function originOf(resource: PublicResource): string | undefined {
  return resource.kind === 'kube_cluster'
    ? (resource.metadata.labels?.[originLabel] ?? 'dynamic')
    : undefined;
}

function isEqual(a: unknown, b: unknown): boolean {
  return canonicalJson(a as Json) === canonicalJson(b as Json);
}
