import { Type } from 'typebox';
import { defineEvent } from '../define-event.ts';

/** An agent that was not online is. */
export const AgentSeen = defineEvent('AgentSeen', {
  context: 'inventory',
  summary: 'An agent that was not online is.',
  v: 1,
  data: Type.Object({
    agentId: Type.String(),
    hostname: Type.String(),
    version: Type.String(),
    services: Type.Array(Type.String()),
  }),
});

/** An agent said goodbye, or stopped sending heartbeats. */
export const AgentLost = defineEvent('AgentLost', {
  context: 'inventory',
  summary: 'An agent said goodbye, or stopped sending heartbeats.',
  v: 1,
  data: Type.Object({
    agentId: Type.String(),
    reason: Type.Union([Type.Literal('goodbye'), Type.Literal('silence')]),
    lastSeen: Type.String(),
  }),
});
