import {
  agentSubjects,
  anyEdge,
  commandSubjects,
  edgeSubjects,
  liveViewSubject,
  trustSubject,
  viewSubject,
} from '@postern/contracts';
import { allConsumers, allStreams } from '../../src/index.ts';

/** The users whose credentials are tried, by the names that the rows below use. */
export const users = {
  join: { roles: ['Auth'], service: 'join-svc' },
  resource: { roles: ['Auth'], service: 'resource-svc' },
  inventory: { roles: ['Auth'], service: 'inventory-svc' },
  edge: { roles: ['Proxy'] },
  edgeAndKube: { roles: ['Proxy', 'Kube'] },
  kube: { roles: ['Kube'] },
  discovery: { roles: ['Discovery'] },
  /** A role without subjects of its own. */
  bot: { roles: ['Bot'] },
  /** What an Auth certificate alone is worth. */
  nameless: { roles: ['Auth'] },
} as const;

export type UserName = keyof typeof users;

/** A subject, and the users that may publish on it and subscribe to it. Whoever is not named may not. */
export interface SpaceRow {
  readonly subject: string;
  readonly publish: readonly UserName[];
  readonly subscribe: readonly UserName[];
}

const all = Object.keys(users) as UserName[];
const edges = ['edge', 'edgeAndKube'] as const;
const kubes = ['kube', 'edgeAndKube'] as const;

/** Whose agent id is `self`, which view it may read (`hash`), and others that it has nothing to do with. */
export interface SpaceNames {
  readonly self: string;
  readonly other: string;
  readonly hash: string;
  readonly otherHash: string;
}

/** Every subject there is to try. It is written by hand, so that a mistake in the table of channels shows. */
export function subjectSpace(names: SpaceNames): SpaceRow[] {
  return [
    ...agentRows(names),
    ...viewRows(names),
    ...serviceRows(),
    ...wildcardRows(names),
    ...jetStreamRows(),
    ...systemRows(),
  ];
}

function row(
  subject: string,
  publish: readonly UserName[] = [],
  subscribe: readonly UserName[] = [],
): SpaceRow {
  return { subject, publish, subscribe };
}

/** For each subject of an agent: who says it as itself, and who hears it of everybody. */
export const agentRights: Readonly<
  Record<
    Exclude<keyof typeof agentSubjects, 'fact'>,
    { readonly say: readonly UserName[]; readonly hear: readonly UserName[] }
  >
> = {
  heartbeat: { say: all, hear: ['inventory', ...edges] },
  served: { say: all, hear: ['inventory', ...edges] },
  goodbye: { say: all, hear: ['inventory', ...edges] },
  pong: { say: all, hear: ['inventory'] },
  openView: { say: all, hear: ['resource'] },
  snapshot: { say: all, hear: ['resource'] },
  viewKey: { say: kubes, hear: ['resource'] },
  workOffer: { say: ['discovery'], hear: ['resource'] },
  workTake: { say: ['discovery'], hear: ['resource'] },
  workExtend: { say: ['discovery'], hear: ['resource'] },
  workSettle: { say: ['discovery'], hear: ['resource'] },
  workStatus: { say: ['discovery'], hear: ['resource'] },
  knownClusters: { say: ['discovery'], hear: ['resource'] },
  discoveryChanges: { say: ['discovery'], hear: ['resource'] },
};

function agentRows({ self, other }: SpaceNames): SpaceRow[] {
  const facts = [
    ['ClusterServed', kubes, ['inventory']],
    ['KubeRequestAudited', edges, []],
    ['KubeRequestAudited.2', edges, []],
    ['KubeRequestAudited.3', edges, []],
    ['KubeRequestAudited.4', [], []],
    ['ClusterServed.2', [], []],
    ['AgentJoined', [], []],
  ] as const;
  const rights = Object.entries(agentRights) as [keyof typeof agentRights, (typeof agentRights)['served']][];
  return [
    ...rights.flatMap(([name, { say, hear }]) => {
      const subject = agentSubjects[name];
      const any = subject('ANY').replace('ANY', '*');
      const others = name === 'goodbye' ? (['join'] as const) : [];
      return [row(subject(self), say, hear), row(subject(other), others, hear), row(any, others, hear)];
    }),
    ...facts.flatMap(([type, say, hear]) => [
      row(agentSubjects.fact(self, type), say, hear),
      row(agentSubjects.fact(other, type), [], hear),
      row(`agent.*.fact.${type}`, [], hear),
    ]),
    row(commandSubjects.reportServed(self), ['inventory', ...edges], all),
    row(commandSubjects.reportServed(other), ['inventory', ...edges], []),
    row(commandSubjects.ping(self), ['inventory'], all),
    row(commandSubjects.ping(other), ['inventory'], []),
    row(commandSubjects.tellTunnels(self), edges, all),
    row(commandSubjects.tellTunnels(other), edges, []),
    ...(['beat', 'tunnels', 'goodbye'] as const).flatMap((name) => [
      row(edgeSubjects[name](self), edges, edges),
      row(edgeSubjects[name](other), [], edges),
      row(anyEdge[name], [], edges),
    ]),
    row(commandSubjects.all(self), [], all),
    row(trustSubject, ['join'], all),
    row(commandSubjects.all(other)),
    row(`cmd.${self}.stop`, [], all),
    row(`cmd.${other}.stop`),
    row(`_INBOX.${self}.x`, [], all),
    row(`_INBOX.${self}.>`, [], all),
    row(`_INBOX.${other}.x`),
  ];
}

function viewRows({ hash, otherHash }: SpaceNames): SpaceRow[] {
  const readers: Readonly<Record<string, readonly UserName[]>> = {
    kube_cluster: ['inventory', ...edges, 'kube', 'discovery'],
    discovery_config: ['discovery'],
    role: ['join', 'inventory', ...edges],
    user: ['join', 'inventory', ...edges],
    token: ['join'],
  };
  return [
    ...Object.entries(readers).flatMap(([kind, may]) => [
      row(liveViewSubject(hash, kind), [], may),
      row(liveViewSubject(otherHash, kind)),
      row(`live.${viewSubject({ hash, generation: 3 }, kind, 'x')}`, [], may),
      row(viewSubject({ hash, generation: 3 }, kind, 'x'), ['resource']),
    ]),
    row(`live.view.${hash}.>`),
    row(`live.view.${hash}.*.x`),
    row(`live.view.${hash}.*.>`),
    row(`live.view.${hash}.1.>`),
    row(`live.view.${hash}.*.*.x`),
    row('live.view.>'),
    row('live.>'),
    row('view.>', ['resource']),
  ];
}

function serviceRows(): SpaceRow[] {
  const contexts = ['join', 'resource', 'inventory'] as const;
  return [
    ...contexts.flatMap((context) => [
      row(`evt.${context}.00.agent.a1.AgentJoined`, [context]),
      row(`evt.${context}.>`, [context]),
      row(`wake.${context}`, [context], [context]),
    ]),
    row('evt.kube.00.agent.a1.AgentJoined'),
    row('wake.kube'),
    row('work.group.1.task', ['resource']),
    row('work.>'),
    row('inventory.routes', edges, ['inventory']),
    row('elsewhere'),
  ];
}

function wildcardRows({ self }: SpaceNames): SpaceRow[] {
  const nobody = ['>', '*', '*.>', '*.*.*', `*.${self}.>`, `*.${self}.hb`, 'agent.>', `agent.${self}.>`];
  return [
    ...[...nobody, 'cmd.>', 'wake.*', 'evt.>', '_INBOX.>', '_INBOX.*.x'].map((subject) => row(subject)),
    row('cmd.*.served', ['inventory', ...edges]),
    row('cmd.*.ping', ['inventory']),
    row('cmd.*.tunnels', edges),
  ];
}

const owners: Readonly<Record<string, UserName>> = {
  EVT_JOIN: 'join',
  EVT_RESOURCE: 'resource',
  EVT_INVENTORY: 'inventory',
  FACT: 'inventory',
  FACT_2: 'inventory',
  FACT_3: 'inventory',
  VIEW: 'resource',
  WORK: 'resource',
};

/** The JetStream streams whose owner this table knows. */
export const ownedStreams = Object.keys(owners);

function jetStreamRows(): SpaceRow[] {
  const services = ['join', 'resource', 'inventory'] as const;
  const streams = [...allStreams().map(({ name }) => name), 'OTHER'];
  return [
    row('$JS.API.INFO', services),
    ...['$JS.API.STREAM.NAMES', '$JS.API.STREAM.LIST', '$JS.API.>', '$JS.>', '$JS.ACK.>', '$JS.EVENT.>'].map(
      (subject) => row(subject),
    ),
    ...streams.flatMap(streamRows),
    ...allConsumers().flatMap(consumerRows),
  ];
}

/** The streams of facts: whose leaders join-svc moves. */
const facts = ['FACT', 'FACT_2', 'FACT_3'];

function streamRows(name: string): SpaceRow[] {
  const owner = owners[name] === undefined ? [] : [owners[name]];
  const stream = (verb: string) => `$JS.API.STREAM.${verb}.${name}`;
  const readers = [
    ...new Set(allConsumers().flatMap((each) => (each.stream === name ? [userOf(each.service)] : []))),
  ];
  const consumer = (rest: string) => `$JS.API.CONSUMER.${rest}`;
  // Groups of discovery agents make consumers of their own in this one.
  const groups = name === 'WORK' ? owner : [];
  const makers: readonly UserName[] = owner.length > 0 ? ['join'] : [];
  return [
    row(stream('INFO'), [...new Set([...makers, ...owner, ...readers])]),
    ...['CREATE', 'UPDATE'].map((verb) => row(stream(verb), makers)),
    row(stream('MSG.GET'), name.startsWith('EVT_') ? owner : []),
    row(stream('PURGE'), name === 'VIEW' ? owner : []),
    ...['DELETE', 'SNAPSHOT', 'RESTORE', 'MSG.DELETE', 'PEER.REMOVE'].map((verb) => row(stream(verb))),
    row(stream('LEADER.STEPDOWN'), facts.includes(name) ? ['join'] : []),
    row(`$JS.API.DIRECT.GET.${name}`, [...facts, 'WORK'].includes(name) ? [] : owner),
    row(`$JS.API.DIRECT.GET.${name}.evt.join.00.agent.a1.AgentJoined`),
    row(consumer(`CREATE.${name}`)),
    row(consumer(`CREATE.${name}.foreign`)),
    row(consumer(`CREATE.${name}.foreign.>`)),
    row(consumer(`DURABLE.CREATE.${name}.foreign`)),
    row(consumer(`DELETE.${name}.foreign`)),
    row(consumer(`NAMES.${name}`)),
    row(consumer(`LIST.${name}`)),
    row(consumer(`CREATE.${name}.foreign.work.a.b.c`), groups),
    row(consumer(`INFO.${name}.foreign`), groups),
    row(consumer(`MSG.NEXT.${name}.foreign`), groups),
    row(`$JS.ACK.${name}.foreign.1.1.1.1.0`, groups),
    row(`$JS.FC.${name}.foreign.x`),
    row(`$KV.${name}.x`),
    row(`$O.${name}.x`),
  ];
}

function consumerRows({ service, stream, durable, filterSubject }: ReturnType<typeof allConsumers>[number]) {
  const owner = [userOf(service)];
  const api = (verb: string, rest = '') => `$JS.API.CONSUMER.${verb}.${stream}.${durable}${rest}`;
  return [
    row(api('CREATE', `.${filterSubject}`), owner),
    row(api('CREATE')),
    row(api('CREATE', '.>')),
    row(api('DURABLE.CREATE')),
    row(api('DELETE')),
    row(api('PAUSE')),
    row(api('INFO'), owner),
    row(api('MSG.NEXT'), owner),
    row(`$JS.ACK.${stream}.${durable}.1.1.1.1.0`, owner),
    row(`$JS.ACK._.ACCOUNT.${stream}.${durable}.1.1.1.1.0`, owner),
  ];
}

function userOf(service: string): UserName {
  return service.slice(0, -'-svc'.length) as UserName;
}

function systemRows(): SpaceRow[] {
  return [
    '$SYS.>',
    '$SYS.REQ.CLAIMS.UPDATE',
    '$SYS.REQ.CLAIMS.DELETE',
    '$SYS.REQ.CLAIMS.LIST',
    '$SYS.REQ.CLAIMS.PACK',
    '$SYS.REQ.SERVER.PING',
    '$SYS.REQ.SERVER.PING.CONNZ',
    '$SYS.REQ.ACCOUNT.PING.CONNZ',
    '$SYS.REQ.ACCOUNT.A.CLAIMS.LOOKUP',
    '$SYS.ACCOUNT.A.CONNECT',
    '$SYS._INBOX.x',
    '$MQTT.sub.x',
    '$G.x',
  ].map((subject) => row(subject));
}
