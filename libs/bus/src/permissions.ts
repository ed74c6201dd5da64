import {
  agentSubjects,
  anyAgent,
  ClusterServed,
  commandSubjects,
  KubeRequestAudited,
  liveViewSubject,
  routesSubject,
  subjectToken,
  viewKindsFor,
} from '@postern/contracts';
import { allStreams } from './streams.ts';

/** What a bus user may do: allow lists only, since a deny list is bypassed by what it forgot. */
export interface BusPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Whether it may answer what it was asked, once per message and within seconds, whatever the reply subject is. */
  readonly mayRespond: boolean;
}

/** The prefix of the subjects on which this user receives answers, and nobody else. */
export function inboxPrefix(agentId: string): string {
  return `_INBOX.${subjectToken(agentId)}`;
}

/** Facts that only certain parties witness: a kube agent cannot write the audit record of a request. */
const factsOf: Readonly<Record<string, readonly string[]>> = {
  Kube: [ClusterServed.type],
  Proxy: [KubeRequestAudited.type],
};

/**
 * An agent speaks as itself, hears what is said to it, and reads the kinds that are for it in the views it was given. No
 * JetStream stream takes what it says: the server's acknowledgement goes wherever the sender wants it, and would be a
 * message of the agent's on any subject there is.
 */
export function agentPermissions(
  agentId: string,
  viewHashes: readonly string[],
  roles: readonly string[] = [],
): BusPermissions {
  const { heartbeat, served, goodbye, openView, snapshot, fact } = agentSubjects;
  const facts = roles.flatMap((role) => factsOf[role] ?? []);
  return {
    publish: [
      ...[heartbeat, served, goodbye, openView, snapshot].map((subject) => subject(agentId)),
      ...facts.map((type) => fact(agentId, type)),
    ],
    subscribe: [
      `${inboxPrefix(agentId)}.>`,
      commandSubjects.all(agentId),
      ...viewHashes.flatMap((hash) => viewKindsFor(roles).map((kind) => liveViewSubject(hash, kind))),
    ],
    mayRespond: false,
  };
}

/** An edge is an agent that also learns from all others where clusters are served. */
export function edgePermissions(
  agentId: string,
  viewHashes: readonly string[],
  roles: readonly string[] = ['Proxy'],
): BusPermissions {
  const agent = agentPermissions(agentId, viewHashes, roles);
  const { heartbeat, served, goodbye } = anyAgent;
  return {
    ...agent,
    publish: [...agent.publish, routesSubject, 'cmd.*.served'],
    subscribe: [...agent.subscribe, heartbeat, served, goodbye],
  };
}

/** A control-plane service: the streams we declare and their consumers, but no purge, no deletion and no restore. */
export function servicePermissions(serviceId: string, viewHashes: readonly string[]): BusPermissions {
  const edge = edgePermissions(serviceId, viewHashes, ['Auth', 'Proxy']);
  return {
    publish: [
      ...edge.publish,
      'evt.>',
      'view.>',
      'wake.*',
      'cmd.>',
      '$JS.API.INFO',
      ...allStreams().flatMap(({ name }) => streamApi(name)),
    ],
    subscribe: [...new Set([...edge.subscribe, ...Object.values(anyAgent), routesSubject, 'wake.*'])],
    mayRespond: true,
  };
}

/** The permissions of a joined process by the system roles of its certificate. */
export function permissionsOf(
  roles: readonly string[],
  agentId: string,
  viewHashes: readonly string[],
): BusPermissions {
  if (roles.includes('Auth')) return servicePermissions(agentId, viewHashes);
  const permissions = roles.includes('Proxy') ? edgePermissions : agentPermissions;
  return permissions(agentId, viewHashes, roles);
}

function streamApi(name: string): string[] {
  const api = '$JS.API';
  return [
    ...['INFO', 'CREATE', 'UPDATE'].map((verb) => `${api}.STREAM.${verb}.${name}`),
    ...['CREATE', 'DURABLE.CREATE', 'MSG.NEXT', 'INFO', 'DELETE'].map(
      (verb) => `${api}.CONSUMER.${verb}.${name}.>`,
    ),
    `${api}.CONSUMER.CREATE.${name}`,
    `${api}.DIRECT.GET.${name}`,
    `$JS.ACK.${name}.>`,
    // The form of later servers, with domain and account.
    `$JS.ACK.*.*.${name}.>`,
  ];
}
