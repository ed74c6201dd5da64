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
  v: 2,
  data: Type.Object({
    requestId: Type.String(),
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
    /** Status sent to the client; 0 when the client went away first. */
    status: Type.Integer(),
    durationMs: Type.Number(),
    /** Digest of the roles and users it was decided by, or empty where nothing was decided. */
    policyRevision: Type.String(),
    edge: Type.String(),
    sourceIp: Type.String(),
  }),
  upcast: { 1: (data) => ({ ...data, roles: [], impersonate: { users: [], groups: [] } }) },
});
