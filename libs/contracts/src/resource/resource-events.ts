import { Type, type Static } from 'typebox';
import { defineEvent } from '../define-event.ts';

/** The part of a resource that events, views and lists carry: no secret is in it. */
export const PublicResource = Type.Object({
  kind: Type.String(),
  sub_kind: Type.Optional(Type.String()),
  version: Type.String(),
  metadata: Type.Object({
    name: Type.String(),
    description: Type.Optional(Type.String()),
    labels: Type.Optional(Type.Record(Type.String(), Type.String())),
    expires: Type.Optional(Type.String()),
  }),
  spec: Type.Record(Type.String(), Type.Unknown()),
});

export type PublicResource = Static<typeof PublicResource>;

/**
 * A resource was created or replaced. `id` is its name, or the SHA-256 of its name where the name is the secret (tokens).
 * Secret fields are absent from `resource`; `secrets` maps their paths to rows of the secret store, which a deletion shreds.
 */
export const ResourceUpserted = defineEvent('ResourceUpserted', {
  context: 'resource',
  summary: 'A resource was created or replaced.',
  v: 1,
  data: Type.Object({
    kind: Type.String(),
    id: Type.String(),
    created: Type.Boolean(),
    resource: PublicResource,
    secrets: Type.Record(Type.String(), Type.String()),
  }),
});

/** A resource was removed, or expired. */
export const ResourceDeleted = defineEvent('ResourceDeleted', {
  context: 'resource',
  summary: 'A resource was removed, or expired.',
  v: 1,
  data: Type.Object({
    kind: Type.String(),
    id: Type.String(),
    reason: Type.Union([Type.Literal('removed'), Type.Literal('expired')]),
  }),
});

/** A label view was opened: from now on it is kept filled. */
export const ViewOpened = defineEvent('ViewOpened', {
  context: 'resource',
  summary: 'A label view was opened and is kept filled from now on.',
  v: 1,
  data: Type.Object({ hash: Type.String(), selector: Type.Unknown() }),
});

/** A label view had no reader for a while and was given up. */
export const ViewClosed = defineEvent('ViewClosed', {
  context: 'resource',
  summary: 'A label view had no reader for a while and was given up.',
  v: 1,
  data: Type.Object({ hash: Type.String() }),
});

/** A view with secrets got a new key, because agents that had the one before read it no longer. */
export const ViewRekeyed = defineEvent('ViewRekeyed', {
  context: 'resource',
  summary: 'A view with secrets got a new key, because agents that knew the one before left it.',
  v: 1,
  data: Type.Object({
    hash: Type.String(),
    /** Names the key; the key itself is sealed in the database of resource-svc. */
    epoch: Type.Integer({ minimum: 1 }),
    /** Agents that left. */
    left: Type.Array(Type.String()),
  }),
});
