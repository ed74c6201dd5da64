import { Type, type Static } from 'typebox';
import { PublicResource } from '../resource/resource-events.ts';

/** What stands in the place of a secret. */
export const secretMask = '*****';

/** What happened to one field of a resource. Absent `before` or `after`: it was not there. */
export const FieldChange = Type.Object({
  /** Names of the field and of what it is in, outermost first; a name may hold dots. */
  path: Type.Array(Type.String()),
  before: Type.Optional(Type.Unknown()),
  after: Type.Optional(Type.Unknown()),
  /** The values are masks: of a secret it is only known that it was written. */
  isSecret: Type.Optional(Type.Literal(true)),
});
export type FieldChange = Static<typeof FieldChange>;

/** One recorded change of a resource. */
export const ResourceChange = Type.Object({
  kind: Type.String(),
  /** As it is shown: masked where the name is the secret. */
  name: Type.String(),
  /** Of the resource after this change; names the change in `--at` and `--to`. */
  revision: Type.String(),
  /** Counts the changes of the resource, deletions included, from 1. */
  version: Type.Integer(),
  change: Type.Union([
    Type.Literal('created'),
    Type.Literal('updated'),
    Type.Literal('restored'),
    Type.Literal('deleted'),
    Type.Literal('expired'),
  ]),
  /** RFC 3339, UTC. */
  at: Type.String(),
  /** SPIFFE id of who did it, or empty where that was not recorded. */
  actor: Type.String(),
  /** The user whose rights it was done with, or empty where the cluster did it by itself. */
  user: Type.String(),
  /** Id of the request that led to it, which logs show too, or empty. */
  correlation: Type.String(),
  /** The revision that it was restored to. */
  restoredFrom: Type.Optional(Type.String()),
  fields: Type.Array(FieldChange),
});
export type ResourceChange = Static<typeof ResourceChange>;

const limit = Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}$' }));
const since = Type.Optional(Type.String({ maxLength: 40 }));
const user = Type.Optional(Type.String({ minLength: 1, maxLength: 253 }));

/** Which changes of one resource to show. Every value of a query is text. */
export const ResourceHistoryQuery = Type.Object({
  /** At most 1000; 100 where it is absent. */
  limit,
  /** RFC 3339. */
  since,
  user,
  /** `next` of the page before. */
  before: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,8}$' })),
});
export type ResourceHistoryQuery = Static<typeof ResourceHistoryQuery>;

/** Which changes of all resources to show. */
export const ChangesQuery = Type.Object({
  kind: Type.Optional(Type.String({ minLength: 1, maxLength: 60 })),
  limit,
  since,
  user,
  /** `next` of the page before. */
  before: Type.Optional(Type.String({ maxLength: 100 })),
  /** `kind/name@revision` of a change that the answer must know of: what the caller has written itself. */
  including: Type.Optional(Type.String({ minLength: 5, maxLength: 600 })),
});
export type ChangesQuery = Static<typeof ChangesQuery>;

/** `GET /v1/history/resources/:kind/:name` and `GET /v1/history/changes` → the newest first. */
export const ChangesReply = Type.Object({
  changes: Type.Array(ResourceChange),
  /** Where older ones go on, or empty. */
  next: Type.String(),
});
export type ChangesReply = Static<typeof ChangesReply>;

/** Which moment of a resource: a time, or one of its revisions. */
export const MomentQuery = Type.Object({
  /** RFC 3339. */
  time: Type.Optional(Type.String({ maxLength: 40 })),
  revision: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
});
export type MomentQuery = Static<typeof MomentQuery>;

/** `POST /v1/history/resources/:kind/:name/restore`. */
export const RestoreRequest = Type.Object({
  /** The revision to go back to. */
  to: Type.String({ minLength: 1, maxLength: 100 }),
  /** The revision that it replaces, empty where there is nothing; another one is a conflict. */
  over: Type.Optional(Type.String({ maxLength: 100 })),
  /** Check and compare, and change nothing. */
  dryRun: Type.Optional(Type.Boolean()),
});
export type RestoreRequest = Static<typeof RestoreRequest>;

/** What a restore does, or would do. */
export const RestoreReply = Type.Object({
  /** The revision that was there before, or empty. */
  over: Type.String(),
  /** From what is there to what was. Empty: it is like that already. */
  fields: Type.Array(FieldChange),
  /** Secret fields that stay as they are now, since the older ones were destroyed. */
  keptSecrets: Type.Array(Type.String()),
  /** The resource after it, without its secrets. */
  resource: PublicResource,
  /** Its revision then; of a dry run, the one that is there. */
  revision: Type.String(),
  /** Whether something was recorded. */
  isRestored: Type.Boolean(),
});
export type RestoreReply = Static<typeof RestoreReply>;
