import { AgentCopied, type IssuedIdentity, type JoinRequest, type RenewRequest } from '@postern/contracts';
import type { Handled } from '@postern/event-store';
import type { AgentState } from '../agents/agent.ts';
import type { Authorities } from '../authorities/authorities.ts';
import { certifyHost } from '../authorities/certify.ts';
import type { JoinDeps } from '../deps.ts';

/** What was decided about an agent, to be made into an identity. */
export interface Decided {
  readonly agentId: string;
  readonly roles: readonly string[];
  readonly publicKey: string;
  readonly state: AgentState;
  /** Those that were recorded with it. */
  readonly authorities: Authorities;
  readonly request: Pick<JoinRequest | RenewRequest, 'busKey' | 'views'>;
}

/** The certificate and the bus credential that the recorded facts stand for. Both end at the same moment. */
export async function issueIdentity(deps: JoinDeps, decided: Decided): Promise<IssuedIdentity> {
  const { agentId, roles, publicKey, state, authorities, request } = decided;
  if (state.state !== 'joined') throw new TypeError(`an agent that is ${state.state} was to be certified`);
  const { generation, service, tokenId: joinToken } = state;
  const notAfter = new Date(state.notAfter);
  const { publicAddrs, clock } = deps.certifier;
  const spec = { id: agentId, roles, generation, joinToken, publicKey, notAfter };
  const certificate = await certifyHost({ authorities, publicAddrs, clock }, spec);
  return {
    agentId,
    clusterName: authorities.clusterName,
    roles: [...roles],
    generation,
    certificate,
    hostCa: authorities.hostCa,
    userCa: authorities.userCa,
    hostChain: authorities.hostChain,
    trustRevision: authorities.revision,
    notAfter: state.notAfter,
    bus: deps.busAccess.issue({
      agentId,
      roles,
      service,
      busKey: request.busKey,
      views: request.views ?? [],
      notAfter,
    }),
  };
}

/** Whether a repeated command stands for a certificate that has ended, or was replaced since. It is not issued again. */
export async function isOutdated(
  deps: JoinDeps,
  { repeated, state, version, events }: Handled<AgentState>,
): Promise<boolean> {
  if (!repeated || state.state !== 'joined') return repeated;
  if (new Date(state.notAfter) <= deps.clock()) return true;
  const since = await deps.store.load(events[0]!.stream, { after: version });
  // That a copy showed itself takes nothing from who renewed.
  return since.some(({ type }) => type !== AgentCopied.type);
}
