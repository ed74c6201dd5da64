import { Type, type Static } from 'typebox';
import { lockTargets } from '../kinds/lock.ts';
import { KubeRequestAudited, KubeStreamEnded } from './kube-events.ts';

/** One request to a cluster as a list shows it. */
export const AuditedRequestRow = Type.Object({
  requestId: Type.String(),
  /** RFC 3339: when it came to the edge. */
  at: Type.String(),
  user: Type.String(),
  cluster: Type.String(),
  decision: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
  /** Code of the refusal, or empty. */
  reason: Type.String(),
  verb: Type.String(),
  apiGroup: Type.String(),
  resource: Type.String(),
  subresource: Type.String(),
  namespace: Type.String(),
  name: Type.String(),
  /** `unknown` where the edge ended before the request did. */
  outcome: Type.Union([Type.Literal('known'), Type.Literal('unknown')]),
  /** Status sent to the client; 0 when the client went away first, or the outcome is unknown. */
  status: Type.Integer(),
  isStream: Type.Boolean(),
  durationMs: Type.Number(),
  bytesIn: Type.Integer(),
  bytesOut: Type.Integer(),
  sourceIp: Type.String(),
});
export type AuditedRequestRow = Static<typeof AuditedRequestRow>;

/** `GET /v1/audit/requests` → the newest first. */
export const AuditedRequestsReply = Type.Object({
  requests: Type.Array(AuditedRequestRow),
  /** Where older ones go on, or empty. */
  next: Type.String(),
});
export type AuditedRequestsReply = Static<typeof AuditedRequestsReply>;

/** Which requests to show. Every value of a query is text. */
export const AuditedRequestsQuery = Type.Object({
  user: Type.Optional(Type.String({ maxLength: 600 })),
  cluster: Type.Optional(Type.String({ maxLength: 600 })),
  decision: Type.Optional(Type.Union([Type.Literal('allow'), Type.Literal('deny')])),
  /** RFC 3339. */
  since: Type.Optional(Type.String({ maxLength: 40 })),
  /** At most 1000; 100 where it is absent. */
  limit: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}$' })),
  /** `next` of the page before. */
  before: Type.Optional(Type.String({ maxLength: 100 })),
});
export type AuditedRequestsQuery = Static<typeof AuditedRequestsQuery>;

/** `GET /v1/audit/requests/:id` → everything recorded of one request. */
export const AuditedRequest = Type.Object({
  at: Type.String(),
  request: KubeRequestAudited.schema,
  /** How it ended, where it was a stream and has ended. */
  ended: Type.Optional(
    Type.Object({
      at: Type.String(),
      endedBy: KubeStreamEnded.schema.properties.endedBy,
      reason: Type.String(),
      durationMs: Type.Number(),
      bytesIn: Type.Integer(),
      bytesOut: Type.Integer(),
    }),
  ),
});
export type AuditedRequest = Static<typeof AuditedRequest>;

/** Which moment's policy. Without revision and time, that of now. */
export const PolicyAtQuery = Type.Object({
  user: Type.String({ minLength: 1, maxLength: 600 }),
  /** The session and the cluster: locks may be on them. */
  session: Type.Optional(Type.String({ maxLength: 100 })),
  cluster: Type.Optional(Type.String({ maxLength: 600 })),
  /** Digest of all roles, users and locks, as audit records have it. */
  revision: Type.Optional(Type.String({ pattern: '^[0-9a-f]{16}$' })),
  /** RFC 3339: when it was decided. Says which of equal moments, and when users had expired. */
  at: Type.Optional(Type.String({ maxLength: 40 })),
});
export type PolicyAtQuery = Static<typeof PolicyAtQuery>;

/** `GET /v1/history/policy` → a user, and the roles that counted for the user, at a moment. */
export const PolicyAtReply = Type.Object({
  /** Digest of the roles, users and locks at the moment that was found. */
  revision: Type.String(),
  /** Whether that is what was asked for: without it the moment is the nearest by time. */
  isExact: Type.Boolean(),
  /** RFC 3339: when the last change up to that moment was made, and when the next one was; empty where there is none. */
  since: Type.String(),
  until: Type.String(),
  user: Type.Object({
    name: Type.String(),
    /** Anything but `active` means no roles, whatever the user has. */
    state: Type.Union([
      Type.Literal('active'),
      Type.Literal('absent'),
      Type.Literal('locked'),
      Type.Literal('expired'),
      Type.Literal('unreadable_role'),
    ]),
    traits: Type.Record(Type.String(), Type.Array(Type.String())),
    /** Names of the roles the user had, those that did not exist included. */
    roles: Type.Array(Type.String()),
    expires: Type.Optional(Type.String()),
  }),
  /** The lock that was on the user, a role of the user, the session or the cluster. */
  lock: Type.Optional(
    Type.Object({
      field: Type.Enum(lockTargets),
      value: Type.String(),
      message: Type.String(),
    }),
  ),
  /** The roles that counted, each as it stood. */
  roles: Type.Array(
    Type.Object({
      name: Type.String(),
      /** Version of the role's stream. */
      version: Type.Integer(),
      /** Revision of the resource, as `tctl get` and `tctl history` show it. */
      revision: Type.String(),
      /** When it was written like this, and by whom. */
      at: Type.String(),
      actor: Type.String(),
      role: Type.Unknown(),
    }),
  ),
});
export type PolicyAtReply = Static<typeof PolicyAtReply>;
