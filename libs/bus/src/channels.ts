import {
  policyKinds,
  agentSubjects,
  anyAgent,
  anyEdge,
  ClusterServed,
  commandSubjects,
  type ControlPlaneService,
  edgeSubjects,
  KubeRequestAudited,
  liveViewSubject,
  routesSubject,
  subjectToken,
  trustSubject,
  viewKindsFor,
  wakeSubject,
} from '@postern/contracts';
import { subjectsInLanes } from './fact-lanes.ts';

/** Who may be on the bus: every joined process, the system roles that have subjects of their own, and the services. */
export type Party = 'everyone' | 'Kube' | 'Proxy' | 'Discovery' | ControlPlaneService;

/** The one that a credential is for. */
export interface Self {
  readonly id: string;
  readonly roles: readonly string[];
  readonly service: ControlPlaneService | undefined;
  /** Hashes of the views that it reads. */
  readonly views: readonly string[];
}

/**
 * A subject, who says something on it and who hears it. What no row allows is refused, so a new subject needs a row here; a
 * test compares the rows with every subject that the contracts declare.
 */
export interface Channel {
  readonly name: string;
  readonly speakers: readonly Party[];
  readonly listeners: readonly Party[];
  /** The subjects on which a speaker may publish. */
  readonly say: (self: Self) => readonly string[];
  /** The subjects to which a listener may subscribe. */
  readonly hear: (self: Self) => readonly string[];
  /** Whether its messages are questions: their listeners may answer, each message once. */
  readonly isAnswered?: boolean;
}

/** The prefix of the subjects on which this user receives answers, and nobody else. */
export function inboxPrefix(agentId: string): string {
  return `_INBOX.${subjectToken(agentId)}`;
}

/** Roles, users and locks are hidden from agents; a service reads what it decides by. */
const viewKindsOfService: Readonly<Record<ControlPlaneService, readonly string[]>> = {
  'join-svc': ['token', ...policyKinds],
  'resource-svc': [],
  'inventory-svc': ['kube_cluster', ...policyKinds],
};

type Ends = Pick<Channel, 'speakers' | 'listeners' | 'isAnswered'>;

const presence: Ends = { speakers: ['everyone'], listeners: ['inventory-svc', 'Proxy'] };
const workRequest: Ends = { speakers: ['Discovery'], listeners: ['resource-svc'], isAnswered: true };
const viewKeyRequest: Ends = { speakers: ['Kube'], listeners: ['resource-svc'], isAnswered: true };
const viewRequest: Ends = { speakers: ['everyone'], listeners: ['resource-svc'], isAnswered: true };

/** Every subject of the bus, JetStream's own requests excepted. */
export const channels: readonly Channel[] = [
  fromAgent('heartbeat', presence),
  fromAgent('served', presence),
  fromAgent('goodbye', presence),
  fromAgent('pong', { speakers: ['everyone'], listeners: ['inventory-svc'] }),
  {
    name: 'goodbye of the revoked',
    speakers: ['join-svc'],
    listeners: [],
    say: () => [anyAgent.goodbye],
    hear: () => [],
  },
  fromAgent('openView', viewRequest),
  fromAgent('snapshot', viewRequest),
  fromAgent('viewKey', viewKeyRequest),
  fromAgent('workOffer', workRequest),
  fromAgent('workTake', workRequest),
  fromAgent('workExtend', workRequest),
  fromAgent('workSettle', workRequest),
  fromAgent('workStatus', workRequest),
  fromAgent('knownClusters', workRequest),
  fromAgent('discoveryChanges', workRequest),
  { name: 'work', speakers: ['resource-svc'], listeners: [], say: () => ['work.*.*.*'], hear: () => [] },
  fact(ClusterServed.type, { speakers: ['Kube'], listeners: ['inventory-svc'], isAnswered: true }),
  ...(['beat', 'tunnels', 'goodbye'] as const).map(fromEdge),
  {
    name: 'tellTunnels',
    speakers: ['Proxy'],
    listeners: ['Proxy'],
    say: () => ['cmd.*.tunnels'],
    hear: ({ id }) => [commandSubjects.all(id)],
  },
  // Nobody subscribes: the JetStream streams of facts take it.
  {
    name: `fact ${KubeRequestAudited.type}`,
    speakers: ['Proxy'],
    listeners: [],
    say: ({ id }) => subjectsInLanes(agentSubjects.fact(id, KubeRequestAudited.type)),
    hear: () => [],
  },
  {
    name: 'reportServed',
    speakers: ['inventory-svc', 'Proxy'],
    listeners: ['everyone'],
    say: () => ['cmd.*.served'],
    hear: ({ id }) => [commandSubjects.all(id)],
  },
  {
    name: 'ping',
    speakers: ['inventory-svc'],
    listeners: ['everyone'],
    say: () => ['cmd.*.ping'],
    hear: ({ id }) => [commandSubjects.all(id)],
  },
  {
    name: 'inbox',
    speakers: [],
    listeners: ['everyone'],
    say: () => [],
    hear: ({ id }) => [`${inboxPrefix(id)}.>`],
  },
  {
    name: 'routes',
    speakers: ['Proxy'],
    listeners: ['inventory-svc'],
    isAnswered: true,
    say: () => [routesSubject],
    hear: () => [routesSubject],
  },
  {
    name: 'trust',
    speakers: ['join-svc'],
    listeners: ['everyone'],
    say: () => [trustSubject],
    hear: () => [trustSubject],
  },
  {
    name: 'live view',
    speakers: [],
    listeners: ['everyone'],
    say: () => [],
    hear: liveViews,
  },
  { name: 'view', speakers: ['resource-svc'], listeners: [], say: () => ['view.>'], hear: () => [] },
  ...(['join', 'resource', 'inventory'] as const).flatMap(contextChannels),
];

/** Subjects below `agent.<id>.`: the second token is who the server knows the sender to be. */
function fromAgent(name: Exclude<keyof typeof agentSubjects, 'fact'>, ends: Ends): Channel {
  const own = agentSubjects[name];
  return { name, ...ends, say: ({ id }) => [own(id)], hear: () => [anyAgent[name]] };
}

/** What edges tell each other. */
function fromEdge(name: keyof typeof edgeSubjects): Channel {
  return {
    name: `edge ${name}`,
    speakers: ['Proxy'],
    listeners: ['Proxy'],
    say: ({ id }) => [edgeSubjects[name](id)],
    hear: () => [anyEdge[name]],
  };
}

function fact(type: string, ends: Ends): Channel {
  return {
    name: `fact ${type}`,
    ...ends,
    say: ({ id }) => [agentSubjects.fact(id, type)],
    hear: () => [`agent.*.fact.${type}`],
  };
}

function contextChannels(context: 'join' | 'resource' | 'inventory'): Channel[] {
  const ends: Ends = { speakers: [`${context}-svc`], listeners: [] };
  const wake = [wakeSubject(context)];
  return [
    { name: `events of ${context}`, ...ends, say: () => [`evt.${context}.>`], hear: () => [] },
    { name: `wake ${context}`, ...ends, listeners: ends.speakers, say: () => wake, hear: () => wake },
  ];
}

function liveViews({ views, roles, service }: Self): string[] {
  const kinds = service === undefined ? viewKindsFor(roles.filter(isAgentRole)) : viewKindsOfService[service];
  return views.flatMap((hash) => kinds.map((kind) => liveViewSubject(hash, kind)));
}

function isAgentRole(role: string): boolean {
  return role !== 'Auth';
}
