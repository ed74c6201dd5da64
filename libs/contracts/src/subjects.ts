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
  /** A fact born at the agent (`FactMessage`); acknowledged when it is kept. */
  fact: (id: string, type: string) => `agent.${subjectToken(id)}.fact.${type}`,
  /** Request `OpenViewRequest` → `OpenViewReply`. */
  openView: (id: string) => `agent.${subjectToken(id)}.view.open`,
  /** Request `SnapshotRequest` → `SnapshotPage`. */
  snapshot: (id: string) => `agent.${subjectToken(id)}.view.snap`,
} as const;

/** Wildcards for the services that listen to agents; the second token is the authenticated agent id. */
export const anyAgent = {
  heartbeat: 'agent.*.hb',
  served: 'agent.*.served',
  goodbye: 'agent.*.bye',
  clusterServed: 'agent.*.fact.ClusterServed',
  kubeRequestAudited: 'agent.*.fact.KubeRequestAudited',
  openView: 'agent.*.view.open',
  snapshot: 'agent.*.view.snap',
} as const;

/** Subjects on which an agent is spoken to. */
export const commandSubjects = {
  /** Ask the agent to publish its `ServedReport` again. */
  reportServed: (id: string) => `cmd.${subjectToken(id)}.served`,
  all: (id: string) => `cmd.${subjectToken(id)}.>`,
} as const;

/** A view's stored subject; the JetStream stream keeps the last value of each. */
export function viewSubject(hash: string, kind: string, id: string): string {
  return `view.${hash}.${kind}.${subjectToken(id)}`;
}

/**
 * Where the stored changes of one kind of a view are republished, for readers without any JetStream right. A hash does not
 * tell what its view selects, so a right to read is for a kind as well.
 */
export function liveViewSubject(hash: string, kind: string): string {
  return `live.view.${hash}.${kind}.>`;
}

/** Request to inventory-svc for every `ServedReport` of the agents online now → `RoutesReply`. */
export const routesSubject = 'inventory.routes';

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

/** Two decimal digits; FNV-1a over the stream name. */
export function partitionOf(stream: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(stream)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return String(hash % partitions).padStart(2, '0');
}
