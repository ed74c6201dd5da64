import { failure } from '@postern/core';
import type { OpenHead, StreamEvents, TunnelStream } from '@postern/tunnel';
import type { TunnelUpstream } from './tunnel-upstream.ts';

/** An edge was asked for an agent that has no tunnel there. It asks nobody else: there is one hop and no second. */
export const AgentNotHere = failure(
  'unavailable',
  'edge.agent_not_here',
  () => 'the agent has no tunnel to this edge; try again',
);

/**
 * Joins a stream that another edge opened to one towards the agent. Bytes and heads go through as they are: the grant in them
 * says nothing to this edge, and is of no use to it.
 */
export function passStream(
  from: TunnelStream,
  { method, path, headers, upgrade }: OpenHead,
  upstream: TunnelUpstream | undefined,
): StreamEvents {
  if (!upstream) throw AgentNotHere();
  const head = { method, path, headers, ...(upgrade === undefined ? {} : { upgrade }) };
  const onward = upstream.tunnel.open(head, {
    answer: (answer) => from.answer(answer),
    data: (chunk) => {
      if (!from.write(chunk)) onward.pause();
    },
    end: () => from.end(),
    reset: (error) => from.reset(error),
    drain: () => from.resume(),
  });
  return {
    data: (chunk) => {
      if (!onward.write(chunk)) from.pause();
    },
    end: () => onward.end(),
    reset: (error) => onward.reset(error),
    drain: () => onward.resume(),
  };
}
