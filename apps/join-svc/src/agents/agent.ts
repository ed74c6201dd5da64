import { AgentJoined, AgentRenewed, type DataOf, type EventOf } from '@postern/contracts';
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
  () => 'this certificate was already renewed: join again with a token',
);

/** An identity of an agent that this control plane has no record of. */
export const UnknownAgent = failure(
  'permission_denied',
  'join.unknown_agent',
  () => 'this agent is not known here: join again with a token',
);

/** A key that another agent holds a certificate for: two agents with one key would be one copied machine. */
export const KeyInUse = failure('already_exists', 'join.key_in_use', () => 'another agent has this key');

/** The identity of an agent: which certificate it holds now. */
export type AgentState =
  | { readonly state: 'unknown' }
  | { readonly state: 'joined'; readonly generation: number; readonly notAfter: string };

export type AgentEvent = EventOf<typeof AgentJoined | typeof AgentRenewed>;

type AgentCommand =
  | { readonly type: 'Join'; readonly joined: Omit<DataOf<typeof AgentJoined>, 'generation'> }
  /** `generation` is that of the certificate presented. */
  | {
      readonly type: 'Renew';
      readonly generation: number;
      readonly renewed: Omit<DataOf<typeof AgentRenewed>, 'generation'>;
    };

const unknownAgent: AgentState = { state: 'unknown' };

function decideAgent(command: AgentCommand, agent: AgentState): AgentEvent[] {
  switch (command.type) {
    case 'Join':
      if (agent.state === 'joined') throw JoinIdTaken();
      return [AgentJoined({ ...command.joined, generation: 1 })];
    case 'Renew':
      if (agent.state === 'unknown') throw UnknownAgent();
      if (agent.generation !== command.generation) throw GenerationMismatch();
      return [AgentRenewed({ ...command.renewed, generation: agent.generation + 1 })];
    default:
      return assertNever(command);
  }
}

function evolveAgent(_: AgentState, { data }: AgentEvent): AgentState {
  return { state: 'joined', generation: data.generation, notAfter: data.notAfter };
}

export const agentDecider = {
  initial: unknownAgent,
  decide: decideAgent,
  evolve: evolveAgent,
  events: [AgentJoined, AgentRenewed],
};
