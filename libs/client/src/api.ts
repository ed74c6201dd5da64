import type {
  AgentReply,
  AgentsOfTokenReply,
  AgentsReply,
  AgentView,
  KubeServerView,
  MeReply,
  PingReply,
  ServedClusterView,
  RevokeReply,
  RotateRequest,
  RotationView,
  SignedCertificate,
  SignRequest,
  StaticTokensReply,
  StatusReply,
  TrustReply,
} from '@postern/contracts';
import { isPlainObject, uuidv7 } from '@postern/core';
import { type AuditApi, auditApi } from './audit.ts';
import { type EventsApi, eventsApi } from './events.ts';
import { type HistoryApi, historyApi } from './history.ts';
import { type RecordingsApi, recordingsApi } from './recordings.ts';
import { type ResourcesApi, resourcesApi, UnreadableAnswer } from './resources.ts';
import type { Transport, TransportOptions } from './transport.ts';

/** Counts over all agents, as `tctl inventory status` prints them. */
export interface InventoryStatus {
  readonly versions: Readonly<Record<string, number>>;
  readonly upgraders: Readonly<Record<string, number>>;
  readonly services: Readonly<Record<string, number>>;
  readonly total: number;
}

/** What `/webapi/ping` tells without a credential. */
export interface Ping {
  readonly cluster_name: string;
  readonly server_version: string;
}

export type { KubeServerView as KubeServer };

/** The control plane, called through its proxy. */
export interface Api extends AsyncDisposable {
  /** `host:port` of the proxy. */
  readonly proxy: string;
  readonly resources: ResourcesApi;
  readonly events: EventsApi;
  readonly audit: AuditApi;
  readonly history: HistoryApi;
  readonly recordings: RecordingsApi;
  readonly inventory: {
    status(): Promise<InventoryStatus>;
    agents(options?: { connected?: boolean }): Promise<AgentView[]>;
    agent(agentId: string): Promise<AgentReply>;
    /** Asks an agent whether it is there. Fails where it does not answer within seconds. */
    ping(agentId: string): Promise<PingReply>;
    clusters(): Promise<ServedClusterView[]>;
    /** What each agent serves, one by one. */
    kubeServers(): Promise<KubeServerView[]>;
  };
  /** Ends what an agent may do, at once. */
  revokeAgent(agentId: string, message?: string): Promise<RevokeReply>;
  /** The tokens of the control plane's configuration. */
  staticTokens(): Promise<StaticTokensReply['tokens']>;
  /** Ids of the agents that joined by a token, given by the SHA-256 of its name, hex. */
  agentsOfToken(tokenId: string): Promise<string[]>;
  status(): Promise<StatusReply>;
  /** Begins a rotation of the authorities, or moves the one under way. */
  rotate(request: RotateRequest): Promise<RotationView>;
  /** The authorities that are trusted now. */
  trust(): Promise<TrustReply>;
  me(): Promise<MeReply>;
  /** A certificate for another user: needs the right to create user certificates. */
  sign(request: SignRequest): Promise<SignedCertificate>;
  /** A certificate for the caller itself. */
  certificate(request: SignRequest): Promise<SignedCertificate>;
  ping(): Promise<Ping>;
}

/** Opens the API. Nothing is loaded or connected before the first call. */
export function openApi(options: TransportOptions): Api {
  let opened: Promise<Transport> | undefined;
  const transport = () =>
    (opened ??= import('./transport.ts').then((module) => module.openTransport(options)));
  const get = async (path: string) => (await (await transport()).send({ method: 'GET', path })).body;
  const post = async (path: string, body: unknown) =>
    (await (await transport()).send({ method: 'POST', path, body })).body;
  const command = async (path: string, body: unknown) => {
    const headers = { 'postern-command-id': uuidv7() };
    return (await (await transport()).send({ method: 'POST', path, body, headers })).body;
  };
  return {
    proxy: options.proxy,
    resources: resourcesApi(transport),
    events: eventsApi(transport),
    audit: auditApi(get),
    history: historyApi(transport),
    recordings: recordingsApi(get),
    inventory: inventoryApi(get, post),
    revokeAgent: async (agentId, message) =>
      read<RevokeReply>(
        await post(
          `/v1/agents/${encodeURIComponent(agentId)}/revoke`,
          message === undefined ? {} : { message },
        ),
        'the revoked agent',
        ['agentId', 'bus', 'credentialsEnd'],
      ),
    staticTokens: async () =>
      read<StaticTokensReply>(await get('/v1/static_tokens'), 'the static tokens', ['tokens']).tokens,
    agentsOfToken: (tokenId) => agentsOfToken(get, tokenId),
    status: async () =>
      read<StatusReply>(await get('/v1/status'), 'the cluster', ['clusterName', 'version', 'caPins']),
    rotate: async (request) =>
      read<RotationView>(await command('/v1/auth/rotation', request), 'the rotation', [
        'phase',
        'next',
        'agents',
      ]),
    trust: async () =>
      read<TrustReply>(await get('/v1/trust'), 'the authorities', [
        'clusterName',
        'hostCa',
        'userCa',
        'caPins',
      ]),
    me: async () =>
      read<MeReply>(await get('/v1/me'), 'the signed-in user', ['user', 'clusterName', 'roles', 'traits']),
    sign: async (request) =>
      read<SignedCertificate>(await post('/v1/auth/sign', request), ...certificateAnswer),
    certificate: async (request) =>
      read<SignedCertificate>(await post('/v1/certificates', request), ...certificateAnswer),
    ping: async () => read<Ping>(await get('/webapi/ping'), 'itself', ['cluster_name', 'server_version']),
    [Symbol.asyncDispose]: async () => (await opened)?.[Symbol.asyncDispose](),
  };
}

const certificateAnswer = [
  'a certificate',
  ['user', 'clusterName', 'certificate', 'hostCa', 'notAfter'],
] as const;

/** Page after page. */
async function agentsOfToken(get: (path: string) => Promise<unknown>, tokenId: string): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const after = all.length === 0 ? '' : `?after=${encodeURIComponent(all.at(-1)!)}`;
    const body = await get(`/v1/agents/by-token/${encodeURIComponent(tokenId)}${after}`);
    const page = read<AgentsOfTokenReply>(body, 'the agents of a token', ['agentIds', 'isLast']);
    all.push(...page.agentIds);
    if (page.isLast || page.agentIds.length === 0) return all;
  }
}

function inventoryApi(
  get: (path: string) => Promise<unknown>,
  post: (path: string, body: unknown) => Promise<unknown>,
): Api['inventory'] {
  return {
    status: async () =>
      read<InventoryStatus>(await get('/v1/inventory/status'), 'the inventory', [
        'versions',
        'upgraders',
        'services',
        'total',
      ]),
    agents: (options) => allAgents(get, options?.connected ?? false),
    agent: async (agentId) =>
      read<AgentReply>(await get(agentPath(agentId)), 'an agent', ['agent', 'clusters']),
    ping: async (agentId) =>
      read<PingReply>(await post(`${agentPath(agentId)}/ping`, undefined), 'the answer of an agent', [
        'roundTripMs',
      ]),
    clusters: async () =>
      read<{ clusters: ServedClusterView[] }>(await get('/v1/inventory/clusters'), 'the clusters', [
        'clusters',
      ]).clusters,
    kubeServers: async () =>
      read<{ servers: KubeServerView[] }>(await get('/v1/inventory/kube_servers'), 'what agents serve', [
        'servers',
      ]).servers,
  };
}

function agentPath(agentId: string): string {
  return `/v1/inventory/agents/${encodeURIComponent(agentId)}`;
}

/** Page after page. */
async function allAgents(get: (path: string) => Promise<unknown>, connected: boolean): Promise<AgentView[]> {
  const all: AgentView[] = [];
  for (;;) {
    const query = new URLSearchParams({ connected: String(connected), after: all.at(-1)?.agentId ?? '' });
    const body = await get(`/v1/inventory/agents?${query.toString()}`);
    const page = read<AgentsReply>(body, 'the agents', ['agents', 'isLast']);
    for (const agent of page.agents) all.push(agent);
    if (page.isLast || page.agents.length === 0) return all;
  }
}

/** The server is ours and its certificate was checked: what is looked for is a version that answers differently. */
function read<T>(body: unknown, what: string, fields: readonly string[]): T {
  if (!isPlainObject(body) || fields.some((field) => body[field] === undefined)) throw UnreadableAnswer(what);
  return body as T;
}
