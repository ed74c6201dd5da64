import { sha256Hex } from '@postern/core';

/** Subjects of the bus, in one place. All variable tokens go through `subjectToken`. */

/** Number of partitions in event subjects; a stream's events always fall into the same one. */
export const partitions = 16;

/**
 * Any text as one subject token: letters, digits, `_` and `-` stay, every other UTF-8 byte becomes `=` and two hex digits.
 * Dots, wildcards and blanks would otherwise change what a subject means.
 */
export function subjectToken(text: string): string {
  if (text === '') return '=';
  return text.replaceAll(/[^A-Za-z0-9_-]/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `=${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}

/** The text that `subjectToken` encoded. */
export function fromSubjectToken(token: string): string {
  if (token === '=') return '';
  const bytes = token.replaceAll(/=([0-9a-f]{2})/g, '%$1');
  return decodeURIComponent(bytes);
}

/** Subjects an agent publishes to; `id` is its agent id, and its bus credential allows it no other. */
export const agentSubjects = {
  /** Core message `Heartbeat`, every heartbeat interval. */
  heartbeat: (id: string) => `agent.${subjectToken(id)}.hb`,
  /** Core message `ServedReport`, whenever what the agent serves changed, and on demand. */
  served: (id: string) => `agent.${subjectToken(id)}.served`,
  /** Core message without content: the agent is leaving on purpose. */
  goodbye: (id: string) => `agent.${subjectToken(id)}.bye`,
  /** Core message `Pong`: the answer to a `Ping`, said as everything else, for an agent may answer nothing directly. */
  pong: (id: string) => `agent.${subjectToken(id)}.pong`,
  /** A fact born at the agent (`FactMessage`); acknowledged when it is kept. */
  fact: (id: string, type: string) => `agent.${subjectToken(id)}.fact.${type}`,
  /** Request `OpenViewRequest` → `OpenViewReply`. */
  openView: (id: string) => `agent.${subjectToken(id)}.view.open`,
  /** Request `SnapshotRequest` → `SnapshotPage`. */
  snapshot: (id: string) => `agent.${subjectToken(id)}.view.snap`,
  /** Request `ViewKeyRequest` → `ViewKeyReply`. */
  viewKey: (id: string) => `agent.${subjectToken(id)}.view.key`,
  /** Request `WorkOffer` → `WorkOfferReply`. */
  workOffer: (id: string) => `agent.${subjectToken(id)}.work.offer`,
  /** Request `WorkTake` → `WorkTakeReply`. */
  workTake: (id: string) => `agent.${subjectToken(id)}.work.take`,
  /** Request `WorkDelivery` → nothing: the member is still at it. */
  workExtend: (id: string) => `agent.${subjectToken(id)}.work.extend`,
  /** Request `WorkSettle` → nothing. */
  workSettle: (id: string) => `agent.${subjectToken(id)}.work.settle`,
  /** Request `WorkStatusRequest` → `WorkStatus`. */
  workStatus: (id: string) => `agent.${subjectToken(id)}.work.status`,
  /** Request `KnownClustersRequest` → `KnownClustersPage`. */
  knownClusters: (id: string) => `agent.${subjectToken(id)}.discovery.known`,
  /** Request `DiscoveryChangesRequest` → `DiscoveryChangesReply`. */
  discoveryChanges: (id: string) => `agent.${subjectToken(id)}.discovery.changes`,
} as const;

/** Wildcards for the services that listen to agents; the second token is the authenticated agent id. */
export const anyAgent = {
  heartbeat: 'agent.*.hb',
  served: 'agent.*.served',
  goodbye: 'agent.*.bye',
  pong: 'agent.*.pong',
  clusterServed: 'agent.*.fact.ClusterServed',
  kubeRequestAudited: 'agent.*.fact.KubeRequestAudited',
  openView: 'agent.*.view.open',
  snapshot: 'agent.*.view.snap',
  viewKey: 'agent.*.view.key',
  workOffer: 'agent.*.work.offer',
  workTake: 'agent.*.work.take',
  workExtend: 'agent.*.work.extend',
  workSettle: 'agent.*.work.settle',
  workStatus: 'agent.*.work.status',
  knownClusters: 'agent.*.discovery.known',
  discoveryChanges: 'agent.*.discovery.changes',
} as const;

/** Subjects on which edges tell each other which agents' tunnels they hold; `id` is that of the edge. */
export const edgeSubjects = {
  /** Core message `EdgeBeat`, every few seconds. */
  beat: (id: string) => `edge.${subjectToken(id)}.hb`,
  /** Core message `EdgeTunnels`, whenever it changed, and on demand. */
  tunnels: (id: string) => `edge.${subjectToken(id)}.tunnels`,
  /** Core message without content: the edge is about to leave. */
  goodbye: (id: string) => `edge.${subjectToken(id)}.bye`,
} as const;

/** Wildcards for edges; the second token is the authenticated id of the edge. */
export const anyEdge = { beat: 'edge.*.hb', tunnels: 'edge.*.tunnels', goodbye: 'edge.*.bye' } as const;

/** Subjects on which an agent is spoken to. */
export const commandSubjects = {
  /** Ask the agent to publish its `ServedReport` again. */
  reportServed: (id: string) => `cmd.${subjectToken(id)}.served`,
  /** Ask the agent whether it is there (`Ping`). */
  ping: (id: string) => `cmd.${subjectToken(id)}.ping`,
  /** Ask the edge to publish its `EdgeTunnels` again. */
  tellTunnels: (id: string) => `cmd.${subjectToken(id)}.tunnels`,
  all: (id: string) => `cmd.${subjectToken(id)}.>`,
} as const;

/** A view as it was last written anew: what was removed before is not in it. Generations count from 1 and never come again. */
export interface ViewPlace {
  readonly hash: string;
  readonly generation: number;
}

/** A view's stored subject; the JetStream stream keeps the last value of each. */
export function viewSubject({ hash, generation }: ViewPlace, kind: string, id: string): string {
  return `view.${hash}.${generation}.${kind}.${subjectToken(id)}`;
}

/** The stored subjects of a view in one generation. */
export function viewSubjects({ hash, generation }: ViewPlace): string {
  return `view.${hash}.${generation}.>`;
}

/**
 * Where the stored changes of one kind of a view are republished in every generation, for readers without any JetStream right.
 * A hash does not tell what its view selects, so a right to read is for a kind as well.
 */
export function liveViewSubject(hash: string, kind: string): string {
  return `live.view.${hash}.*.${kind}.>`;
}

/** Where a task of a time slot waits: one subject for it, so that JetStream can hold one message of it and no second. */
export function workSubject({ group, slot, task }: WorkPlace): string {
  return `work.${boundedToken(group)}.${slot}.${boundedToken(task)}`;
}

/** The subjects of every task of a group. */
export function workGroupSubjects(group: string): string {
  return `work.${boundedToken(group)}.*.*`;
}

/** The name of a group's consumer. */
export function workConsumer(group: string): string {
  return `work__${boundedToken(group)}`;
}

interface WorkPlace {
  readonly group: string;
  /** Milliseconds since 1970 at which the slot begins. */
  readonly slot: number;
  readonly task: string;
}

/** A token of at most 64 characters: a consumer's name and a subject have limits. No encoded text begins with `=h`. */
function boundedToken(text: string): string {
  const token = subjectToken(text);
  return token.length <= 64 ? token : `=h${sha256Hex(text).slice(0, 40)}`;
}

/** Request to inventory-svc for every `ServedReport` of the agents online now → `RoutesReply`. */
export const routesSubject = 'inventory.routes';

/** Core message `TrustMessage` of join-svc to every joined process: whom to trust changed, or is being changed. */
export const trustSubject = 'trust.news';

/** Poke for the relay of a service: something was appended. */
export function wakeSubject(service: string): string {
  return `wake.${service}`;
}

/** Subject of a recorded event: `evt.<context>.<partition>.<aggregate>.<id>.<type>`. */
export function eventSubject(context: string, stream: string, type: string): string {
  const slash = stream.indexOf('/');
  const aggregate = stream.slice(0, slash);
  const id = stream.slice(slash + 1);
  return `evt.${context}.${partitionOf(stream)}.${subjectToken(aggregate)}.${subjectToken(id)}.${type}`;
}

/** What the subject of a recorded event tells; nothing where it is of something else. */
export function parseEventSubject(
  subject: string,
): { readonly context: string; readonly stream: string; readonly type: string } | undefined {
  const [evt, context = '', , aggregate = '', id = '', type = '', ...rest] = subject.split('.');
  if (evt !== 'evt' || type === '' || rest.length > 0) return undefined;
  try {
    return { context, stream: `${fromSubjectToken(aggregate)}/${fromSubjectToken(id)}`, type };
  } catch {
    // Not written by `subjectToken`.
    return undefined;
  }
}

/** Two decimal digits; FNV-1a over the stream name. */
export function partitionOf(stream: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(stream)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return String(hash % partitions).padStart(2, '0');
}
