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

/** One request to a cluster was decided and, if allowed, answered. Born at the edge, recorded by inventory-svc. */
export const KubeRequestAudited = defineEvent('KubeRequestAudited', {
  context: 'kube',
  summary: 'One request to a cluster was decided and, if allowed, answered.',
  v: 1,
  data: Type.Object({
    requestId: Type.String(),
    user: Type.String(),
    session: Type.String(),
    cluster: Type.String(),
    decision: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
    /** Code of the refusal, or empty. */
    reason: Type.String(),
    method: Type.String(),
    path: Type.String(),
    verb: Type.String(),
    apiGroup: Type.String(),
    apiVersion: Type.String(),
    resource: Type.String(),
    subresource: Type.String(),
    namespace: Type.String(),
    name: Type.String(),
    kubeUser: Type.String(),
    kubeGroups: Type.Array(Type.String()),
    /** Status sent to the client; 0 when the client went away first. */
    status: Type.Integer(),
    durationMs: Type.Number(),
    policyRevision: Type.String(),
    edge: Type.String(),
    sourceIp: Type.String(),
  }),
});
