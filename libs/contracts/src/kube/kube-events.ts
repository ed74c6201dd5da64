import { Type } from 'typebox';
import { defineEvent } from '../define-event.ts';

/** An agent began to serve a cluster, or stopped. Born at the agent, recorded by inventory-svc. */
export const ClusterServed = defineEvent('ClusterServed', {
  context: 'kube',
  summary: 'An agent began to serve a cluster, or stopped.',
  v: 1,
  data: Type.Object({
    agentId: Type.String(),
    cluster: Type.String(),
    state: Type.Union([Type.Literal('served'), Type.Literal('dropped')]),
    labels: Type.Record(Type.String(), Type.String()),
    reason: Type.String(),
  }),
});

const labels = Type.Record(Type.String(), Type.String());
const only = { additionalProperties: false } as const;

/** One request to a cluster was decided and, if allowed, answered. Born at the edge, recorded by inventory-svc. */
export const KubeRequestAudited = defineEvent('KubeRequestAudited', {
  context: 'kube',
  summary: 'One request to a cluster was decided and, if allowed, answered.',
  v: 3,
  data: Type.Object({
    requestId: Type.String(),
    /** The id of the request in the audit log of the API server, or empty where it never got there. */
    auditId: Type.String(),
    user: Type.String(),
    session: Type.String(),
    cluster: Type.String(),
    /** By which it was decided. Absent where no such cluster was known, or nothing was recorded of it. */
    clusterLabels: Type.Optional(labels),
    decision: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
    /** Code of the refusal, or empty. */
    reason: Type.String(),
    /** Names of the roles that allowed it, or of all that were considered. */
    roles: Type.Array(Type.String()),
    method: Type.String(),
    path: Type.String(),
    verb: Type.String(),
    apiGroup: Type.String(),
    apiVersion: Type.String(),
    resource: Type.String(),
    subresource: Type.String(),
    namespace: Type.String(),
    name: Type.String(),
    /** What the decision was about where that is not what the path says: the name in a body, the create in an apply. */
    decided: Type.Optional(Type.Object({ verb: Type.String(), name: Type.String() }, only)),
    /** The user and groups that the client asked to act as. */
    impersonate: Type.Object({ users: Type.Array(Type.String()), groups: Type.Array(Type.String()) }, only),
    kubeUser: Type.String(),
    kubeGroups: Type.Array(Type.String()),
    /** `unknown` where the edge ended before the request did: it may have been carried out. */
    outcome: Type.Union([Type.Literal('known'), Type.Literal('unknown')]),
    /** Status sent to the client; 0 when the client went away first, or the outcome is unknown. */
    status: Type.Integer(),
    /** Whether this says how something long-lived began; a fact of its own says how it ended. */
    isStream: Type.Boolean(),
    durationMs: Type.Number(),
    /** Bytes of the body that the client sent, and of the answer that it got; those of a stream come with its end. */
    bytesIn: Type.Integer(),
    bytesOut: Type.Integer(),
    /** Digest of the roles and users it was decided by, or empty where nothing was decided. */
    policyRevision: Type.String(),
    edge: Type.String(),
    /** Address of the client's end of the connection; no header has a say in it. */
    sourceIp: Type.String(),
    /** What the client calls itself: bounded, printable, and never to be believed. */
    userAgent: Type.String(),
  }),
  upcast: {
    1: (data) => ({ ...data, roles: [], impersonate: { users: [], groups: [] } }),
    2: (data) => ({
      ...data,
      auditId: '',
      outcome: 'known',
      isStream: data['verb'] === 'watch' || data['status'] === 101,
      bytesIn: 0,
      bytesOut: 0,
      userAgent: '',
    }),
  },
});

/** Why a stream ended. `unknown`: the edge ended before it and could not see. */
const endedBy = Type.Union([
  Type.Literal('client'),
  Type.Literal('upstream'),
  Type.Literal('cut'),
  Type.Literal('unknown'),
]);

const ending = {
  endedBy,
  /** Code of what cut it, or empty. */
  reason: Type.String(),
  durationMs: Type.Number(),
  /** Bytes from the client, and to it. */
  bytesIn: Type.Integer(),
  bytesOut: Type.Integer(),
  edge: Type.String(),
} as const;

const place = {
  cluster: Type.String(),
  namespace: Type.String(),
  pod: Type.String(),
  container: Type.String(),
} as const;

/** An exec or attach began. Born at the edge, recorded by inventory-svc. */
export const KubeSessionStarted = defineEvent('KubeSessionStarted', {
  context: 'kube',
  summary: 'Somebody began to exec in, or attach to, a container.',
  v: 1,
  data: Type.Object({
    /** Also the id of its recording, where there is one. */
    sessionId: Type.String(),
    requestId: Type.String(),
    user: Type.String(),
    ...place,
    type: Type.Union([Type.Literal('exec'), Type.Literal('attach')]),
    /** Bounded; empty for attach. */
    command: Type.Array(Type.String()),
    isTty: Type.Boolean(),
    hasStdin: Type.Boolean(),
    kubeUser: Type.String(),
    isRecorded: Type.Boolean(),
    edge: Type.String(),
    sourceIp: Type.String(),
  }),
});

/** An exec or attach ended. Born at the edge, recorded by inventory-svc. */
export const KubeSessionEnded = defineEvent('KubeSessionEnded', {
  context: 'kube',
  summary: 'An exec or attach ended.',
  v: 1,
  data: Type.Object({
    sessionId: Type.String(),
    requestId: Type.String(),
    user: Type.String(),
    ...place,
    ...ending,
  }),
});

/** A watch, a log that is followed, a port-forward or a proxied connection ended. Born at the edge, recorded by inventory-svc. */
export const KubeStreamEnded = defineEvent('KubeStreamEnded', {
  context: 'kube',
  summary: 'Something long-lived that was no session ended: a watch, a followed log, a port-forward.',
  v: 1,
  data: Type.Object({
    requestId: Type.String(),
    user: Type.String(),
    cluster: Type.String(),
    verb: Type.String(),
    apiGroup: Type.String(),
    resource: Type.String(),
    subresource: Type.String(),
    namespace: Type.String(),
    name: Type.String(),
    ...ending,
  }),
});

/** What was recorded of a session is stored. The digest is what its content must come to when it is played. */
export const KubeSessionRecorded = defineEvent('KubeSessionRecorded', {
  context: 'kube',
  summary: 'The recording of a session was stored.',
  v: 1,
  data: Type.Object({
    sessionId: Type.String(),
    user: Type.String(),
    cluster: Type.String(),
    bytes: Type.Integer(),
    /** SHA-256 of the file, in hexadecimal digits. */
    sha256: Type.String(),
    isComplete: Type.Boolean(),
    edge: Type.String(),
  }),
});

/** What edges record of requests to clusters. */
export const auditFacts = [
  KubeRequestAudited,
  KubeSessionStarted,
  KubeSessionEnded,
  KubeStreamEnded,
] as const;

const auditTypes: ReadonlySet<string> = new Set(auditFacts.map(({ type }) => type));

/**
 * The type in the subject under which facts of a type travel. All that edges record goes under one, so that it goes in few
 * messages and one right to publish is enough.
 */
export function carrierOf(type: string): string {
  return auditTypes.has(type) ? KubeRequestAudited.type : type;
}
