import { failure } from '@postern/core';
import {
  type ClusterRequest,
  type InFlight,
  type Reply,
  serveRequest,
  serveUpgrade,
  type UpgradeReply,
} from '../agent/serve.ts';
import type { ServedClusters } from '../agent/served-clusters.ts';
import { sentFilter } from '../filter/sent-filter.ts';
import { type Attempt, forward } from '../forward/forward.ts';
import { forwardUpgrade, type UpgradeTurn } from '../forward/upgrade.ts';
import type { UpgradeUpstream } from '../forward/upstream.ts';
import { encodeSegment } from '../request/target.ts';
import { isLongLived, upstreamTarget } from '../request/request-info.ts';
import { AgentLocked, type LockOnAgent } from './agent-lock.ts';
import { AgentTurns } from './agent-turns.ts';
import { readHandshake } from '../upgrades/handshake.ts';
import { planAsAsked } from '../upgrades/plans.ts';
import type { GrantFor, Grants } from './grants.ts';
import type { RoutedAgent, Routes } from './routes.ts';
import type { AgentReach } from './tunnels/agent-reach.ts';

export const ClusterOffline = failure(
  'unavailable',
  'kube.cluster_offline',
  (name: string) => `kubernetes cluster ${JSON.stringify(name)} is offline`,
);

/** A decided request with what a grant for it says. */
export interface Dispatched extends ClusterRequest {
  readonly grant: Omit<GrantFor, 'agentId'>;
}

export interface DispatchDeps {
  /** The clusters that this very process serves, where it has the kube role too. */
  readonly local: ServedClusters | undefined;
  readonly routes: Routes;
  readonly reach: Pick<AgentReach, 'upstreamOf'>;
  readonly grants: Grants;
  readonly ownAgentId: () => string;
  /** Whether the cluster is a registered resource, and not of an agent's own configuration. */
  readonly isRegistered: (cluster: string) => boolean;
  readonly lockOnAgent: LockOnAgent;
}

/** Told through which agent a request goes, before it does. */
export type Via = (agentId: string) => void;

/** An attempt at an upstream that can switch protocols too. */
interface UpgradeAttempt extends Attempt {
  readonly upstream: UpgradeUpstream;
}

/** Path under which agents take requests for a cluster. */
export const agentPathPrefix = '/kube/';

const maxCandidates = 4;

/**
 * Brings a decided request to the API server of its cluster: directly when this process holds the credentials, else over
 * an agent that does. An agent that cannot be reached costs one more attempt, and nothing is sent twice.
 */
export function dispatch(
  deps: DispatchDeps,
  request: Dispatched,
  reply: Reply & { readonly via: Via },
): InFlight | Promise<InFlight> {
  if (isServedHere(deps, request.cluster)) {
    reply.via(deps.ownAgentId());
    return serveRequest(deps.local!, request, reply);
  }
  return dispatchRemote(deps, request, reply);
}

/** The same for a request that switches protocols. */
export function dispatchUpgrade(
  deps: DispatchDeps,
  request: Dispatched,
  reply: UpgradeReply & { readonly via: Via },
): InFlight | Promise<InFlight> {
  if (isServedHere(deps, request.cluster)) {
    reply.via(deps.ownAgentId());
    return serveUpgrade(deps.local!, request, reply);
  }
  return upgradeRemote(deps, request, reply);
}

function isServedHere({ local, routes, lockOnAgent, ownAgentId }: DispatchDeps, cluster: string): boolean {
  if (!local?.has(cluster) || lockOnAgent(ownAgentId())) return false;
  return (
    local.isOnline(cluster) ||
    !routes.candidates(cluster).some(({ clusters }) => clusters.get(cluster)?.health === 'online')
  );
}

async function dispatchRemote(
  deps: DispatchDeps,
  request: Dispatched,
  reply: Reply & { readonly via: Via },
): Promise<InFlight> {
  const turns = await turnsFor(deps, request, reply.via);
  return forward({
    ...turns.begin(),
    ...reply,
    body: filterBody(request) ?? reply.body,
    endsWithEvent: request.info.verb === 'watch',
    retry: () => turns.next(),
    done: (error) => {
      turns.end();
      reply.done(error);
    },
  });
}

async function upgradeRemote(
  deps: DispatchDeps,
  request: Dispatched,
  reply: UpgradeReply & { readonly via: Via },
): Promise<InFlight> {
  const handshake = readHandshake(request.info, request.headers);
  const turns = await turnsFor(deps, request, reply.via);
  const turnAt = ({ upstream, request: out }: UpgradeAttempt): UpgradeTurn => ({
    upstream,
    plans: [planAsAsked({ info: request.info, request: out, handshake })],
  });
  return forwardUpgrade({
    ...turnAt(turns.begin()),
    ...reply,
    retry: () => turnAt(turns.next()),
    isRepeatable: handshake.kind === 'portforward',
    done: (error) => {
      turns.end();
      reply.done(error);
    },
  });
}

/** Every agent gets a grant of its own, and before anything is sent: trying the next one must not wait. */
async function turnsFor(
  deps: DispatchDeps,
  request: Dispatched,
  via: Via,
): Promise<AgentTurns<UpgradeAttempt>> {
  const agents = candidatesFor(deps, request.cluster);
  // A lock on the agent that comes while grants are signed must find the request there.
  via(agents[0]!.agentId);
  const turns = agents.map(async (agent) => ({ agent, attempt: await attemptAt(deps, agent, request) }));
  const unreachable = (agentId: string) => deps.routes.unreachable(agentId);
  return new AgentTurns(await Promise.all(turns), { via, unreachable });
}

/** An agent that has a cluster of a registered name in its own configuration would take over the traffic of the other. */
function candidatesFor(deps: DispatchDeps, cluster: string): RoutedAgent[] {
  const { routes, ownAgentId, isRegistered, lockOnAgent, local } = deps;
  const own = ownAgentId();
  const origin = isRegistered(cluster) ? 'dynamic' : 'config-file';
  const candidates = routes
    .candidates(cluster)
    .filter(({ agentId, clusters }) => agentId !== own && clusters.get(cluster)?.origin === origin);
  const unlocked = candidates.filter(({ agentId }) => !lockOnAgent(agentId));
  if (unlocked.length > 0) return unlocked.slice(0, maxCandidates);
  // Locked agents have no tunnel any more: of those that serve the cluster one that is locked is why it cannot be reached.
  const serving = [...routes.serving(cluster), ...(local?.has(cluster) ? [own] : [])];
  const lock = serving.map((agentId) => lockOnAgent(agentId)).find((found) => found !== undefined);
  throw lock ? AgentLocked(cluster, lock) : ClusterOffline(cluster);
}

async function attemptAt(
  deps: DispatchDeps,
  agent: RoutedAgent,
  request: Dispatched,
): Promise<UpgradeAttempt> {
  const { info, headers, cluster, clientAddress, grant } = request;
  const token = await deps.grants.sign({ ...grant, agentId: agent.agentId });
  const out = [...headers.forward, 'postern-grant', token, 'postern-request-id', grant.requestId];
  if (clientAddress !== '') out.push('postern-client-address', clientAddress);
  if (headers.accept !== undefined) out.push('accept', headers.accept);
  if (headers.acceptsGzip) out.push('accept-encoding', 'gzip');
  const length = filterBody(request)?.length.toString() ?? headers.contentLength;
  if (length !== undefined) out.push('content-length', length);
  const path = `${agentPathPrefix}${encodeSegment(cluster)}${upstreamTarget(info)}`;
  return {
    upstream: deps.reach.upstreamOf(agent.agentId),
    request: { method: info.method, path, headers: out, isLongLived: isLongLived(info) },
  };
}

/** What of the answer may be seen, for the agent to filter by: it goes as the body, of which a list or watch has none. */
function filterBody({ grant }: Dispatched): Buffer | undefined {
  const { rules } = grant.decision;
  return rules && sentFilter(rules).body;
}
