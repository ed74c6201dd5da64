import type { DataOf, KubeRequestAudited } from '@postern/contracts';

type Recorded = DataOf<typeof KubeRequestAudited>;

/** What is alike in the records of one session at one cluster. */
type Lasting = Pick<
  Recorded,
  | 'user'
  | 'session'
  | 'cluster'
  | 'clusterLabels'
  | 'roles'
  | 'impersonate'
  | 'kubeUser'
  | 'kubeGroups'
  | 'policyRevision'
  | 'edge'
  | 'sourceIp'
  | 'userAgent'
>;

/** By session, the lasting part of the record before as JSON, with what it says. */
const known = new Map<string, { readonly said: Lasting; readonly text: string }>();
const maxKnown = 2000;

/** The data of a record as JSON: the same as JSON.stringify makes of it but for the order, at a third of the cost. */
export function recordText(data: Recorded): string {
  const decided = data.decided ? `,"decided":${JSON.stringify(data.decided)}` : '';
  return (
    `{"requestId":${quoted(data.requestId)},"auditId":${quoted(data.auditId)},${lastingText(data)}` +
    `,"decision":"${data.decision}","reason":${quoted(data.reason)},"method":${quoted(data.method)}` +
    `,"path":${quoted(data.path)},"verb":${quoted(data.verb)},"apiGroup":${quoted(data.apiGroup)}` +
    `,"apiVersion":${quoted(data.apiVersion)},"resource":${quoted(data.resource)}` +
    `,"subresource":${quoted(data.subresource)},"namespace":${quoted(data.namespace)},"name":${quoted(data.name)}` +
    `${decided},"outcome":"${data.outcome}","status":${data.status},"isStream":${data.isStream}` +
    `,"durationMs":${data.durationMs},"bytesIn":${data.bytesIn},"bytesOut":${data.bytesOut}}`
  );
}

function lastingText(data: Recorded): string {
  const before = known.get(data.session);
  if (before && saysTheSame(before.said, data)) return before.text;
  const { user, session, cluster, clusterLabels, roles, impersonate } = data;
  const { kubeUser, kubeGroups, policyRevision, edge, sourceIp, userAgent } = data;
  const said: Lasting = {
    user,
    session,
    cluster,
    roles,
    impersonate,
    kubeUser,
    kubeGroups,
    policyRevision,
    edge,
    sourceIp,
    userAgent,
  };
  if (clusterLabels) said.clusterLabels = clusterLabels;
  const text = JSON.stringify(said).slice(1, -1);
  if (known.size >= maxKnown) known.clear();
  known.set(session, { said, text });
  return text;
}

/** Labels and whom the client asked to be are compared as objects: who has equal ones in another object pays for it. */
function saysTheSame(a: Lasting, b: Recorded): boolean {
  return (
    a.clusterLabels === b.clusterLabels &&
    a.impersonate === b.impersonate &&
    a.user === b.user &&
    a.cluster === b.cluster &&
    a.kubeUser === b.kubeUser &&
    a.policyRevision === b.policyRevision &&
    a.edge === b.edge &&
    a.sourceIp === b.sourceIp &&
    a.userAgent === b.userAgent &&
    isSameList(a.roles, b.roles) &&
    isSameList(a.kubeGroups, b.kubeGroups)
  );
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at]);
}

// Printable ASCII without quotes and backslashes stands in JSON as it is.
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function quoted(text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text);
}
