import {
  AgentCopied,
  AgentJoined,
  AgentRenewed,
  AgentRevoked,
  type ControlPlaneService,
  type DataOf,
  type EventOf,
} from '@postern/contracts';
import { assertNever, failure } from '@postern/core';

/** The id of a join is taken: by another joiner, or by one that has moved on since. */
export const JoinIdTaken = failure(
  'already_exists',
  'join.join_id_taken',
  () => 'this join id was used before',
);

/** An identity renewed itself that was already renewed elsewhere: one of the two is a copy. */
export const GenerationMismatch = failure(
  'permission_denied',
  'join.generation_mismatch',
  () =>
    'this certificate was already renewed, so somebody has a copy of this identity, and the agent is locked: find out who, ' +
    'remove the stored identity where it does not belong, then remove the lock or join again with a token',
);

/** An identity of an agent that this control plane has no record of. */
export const UnknownAgent = failure(
  'permission_denied',
  'join.unknown_agent',
  () => 'this agent is not known here: join again with a token',
);

/** A key that another agent holds a certificate for: two agents with one key would be one copied machine. */
export const KeyInUse = failure('already_exists', 'join.key_in_use', () => 'another agent has this key');

/** A revoked agent wants a new certificate. */
export const AgentWasRevoked = failure(
  'permission_denied',
  'join.agent_revoked',
  () => 'this agent was revoked: join again with a token',
);

/** A locked agent wants a new certificate. */
export const AgentLocked = failure(
  'permission_denied',
  'join.agent_locked',
  (message: string) =>
    `this agent is locked${message === '' ? '' : `: ${message}`}; it is renewed again when the lock is gone, see tctl get lock`,
);

/** Nobody joined with this id. */
export const NoSuchAgent = failure(
  'not_found',
  'join.no_such_agent',
  (id: string) => `no agent ${id} has joined: see tctl inventory ls for their ids`,
);

/** A bus user of an agent, and when its credential ends. */
export type BusKey = DataOf<typeof AgentRevoked>['busKeys'][number];

/** The identity of an agent: which certificate it holds now. */
export type AgentState =
  | { readonly state: 'unknown' }
  | {
      readonly state: 'joined';
      readonly generation: number;
      readonly notAfter: string;
      readonly service: ControlPlaneService | undefined;
      /** The token that let it in; unknown of those that joined before it was recorded. */
      readonly tokenId: string | undefined;
      /** Every bus user that ever got a credential; an old one may not have ended when the certificate was replaced. */
      readonly busKeys: readonly BusKey[];
    }
  | { readonly state: 'revoked'; readonly notAfter: string; readonly busKeys: readonly BusKey[] };

export type AgentEvent = EventOf<
  typeof AgentCopied | typeof AgentJoined | typeof AgentRenewed | typeof AgentRevoked
>;

type AgentCommand =
  | { readonly type: 'Join'; readonly joined: Omit<DataOf<typeof AgentJoined>, 'generation'> }
  /** `generation` is that of the certificate presented. */
  | {
      readonly type: 'Renew';
      readonly generation: number;
      readonly renewed: Omit<DataOf<typeof AgentRenewed>, 'generation'>;
    }
  /** `generation` is that of a certificate by which nobody is renewed any more. */
  | {
      readonly type: 'ReportCopy';
      readonly agentId: string;
      readonly generation: number;
      readonly sourceIp: string;
    }
  | {
      readonly type: 'Revoke';
      readonly revoked: Omit<DataOf<typeof AgentRevoked>, 'busKeys'>;
      /** What ended before this needs no revocation. */
      readonly at: Date;
    };

const unknownAgent: AgentState = { state: 'unknown' };

function decideAgent(command: AgentCommand, agent: AgentState): AgentEvent[] {
  switch (command.type) {
    case 'Join':
      if (agent.state !== 'unknown') throw JoinIdTaken();
      return [AgentJoined({ ...command.joined, generation: 1 })];
    case 'Renew':
      if (agent.state === 'unknown') throw UnknownAgent();
      if (agent.state === 'revoked') throw AgentWasRevoked();
      if (agent.generation !== command.generation) throw GenerationMismatch();
      return [AgentRenewed({ ...command.renewed, generation: agent.generation + 1 })];
    case 'ReportCopy':
      return decideReport(command, agent);
    case 'Revoke':
      return decideRevoke(command, agent);
    default:
      return assertNever(command);
  }
}

function decideReport(
  { agentId, generation: shown, sourceIp }: Extract<AgentCommand, { type: 'ReportCopy' }>,
  agent: AgentState,
): AgentEvent[] {
  if (agent.state !== 'joined') return [];
  return [AgentCopied({ agentId, shown, generation: agent.generation, sourceIp })];
}

function decideRevoke(
  { revoked, at }: Extract<AgentCommand, { type: 'Revoke' }>,
  agent: AgentState,
): AgentEvent[] {
  if (agent.state === 'unknown') throw NoSuchAgent(revoked.agentId);
  if (agent.state === 'revoked') return [];
  const busKeys = agent.busKeys.filter(({ notAfter }) => new Date(notAfter) > at);
  return [AgentRevoked({ ...revoked, busKeys })];
}

function evolveAgent(agent: AgentState, { type, data }: AgentEvent): AgentState {
  switch (type) {
    case 'AgentJoined':
      return joined(data, {
        service: data.service as ControlPlaneService | undefined,
        tokenId: data.tokenId,
        busKeys: [],
      });
    case 'AgentRenewed':
      return joined(data, agent.state === 'joined' ? agent : strangerBefore);
    case 'AgentCopied':
      return agent;
    case 'AgentRevoked':
      return {
        state: 'revoked',
        notAfter: agent.state === 'unknown' ? '' : agent.notAfter,
        busKeys: data.busKeys,
      };
    default:
      return assertNever(type);
  }
}

/** What a renewal changes nothing of. */
type Kept = Pick<Extract<AgentState, { state: 'joined' }>, 'service' | 'tokenId' | 'busKeys'>;

const strangerBefore: Kept = { service: undefined, tokenId: undefined, busKeys: [] };

function joined(
  { generation, notAfter, busKey }: Pick<DataOf<typeof AgentJoined>, 'generation' | 'notAfter' | 'busKey'>,
  { service, tokenId, busKeys }: Kept,
): AgentState {
  const added = busKey === undefined ? [] : [{ key: busKey, notAfter }];
  return { state: 'joined', generation, notAfter, service, tokenId, busKeys: [...busKeys, ...added] };
}

export const agentDecider = {
  initial: unknownAgent,
  decide: decideAgent,
  evolve: evolveAgent,
  events: [AgentCopied, AgentJoined, AgentRenewed, AgentRevoked],
};
