import { AgentJoined, AgentRenewed } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { agentDecider, type AgentEvent } from './agent.ts';

const joined = {
  agentId: 'a1',
  method: 'token',
  token: '****',
  roles: ['Kube'],
  hostname: 'h',
  notAfter: '2026-11-22T12:00:00.000Z',
  key: 'k1',
};
const renewed = { agentId: 'a1', notAfter: '2026-11-23T12:00:00.000Z', key: 'k2' };
const given = (...events: AgentEvent[]) => events.reduce(agentDecider.evolve, agentDecider.initial);

describe('the identity of an agent', () => {
  test('begins at generation one', () => {
    expect(agentDecider.decide({ type: 'Join', joined }, given())).toEqual([
      AgentJoined({ ...joined, generation: 1 }),
    ]);
  });

  test('is not given twice', () => {
    const state = given(AgentJoined({ ...joined, generation: 1 }));
    expect(() => agentDecider.decide({ type: 'Join', joined }, state)).toThrow('used before');
  });

  test('grows by one generation with each renewal', () => {
    const state = given(AgentJoined({ ...joined, generation: 1 }));
    const [event] = agentDecider.decide({ type: 'Renew', generation: 1, renewed }, state);
    expect(event).toEqual(AgentRenewed({ ...renewed, generation: 2 }));
    expect(agentDecider.evolve(state, event!)).toMatchObject({ generation: 2, notAfter: renewed.notAfter });
  });

  test.each([1, 3, 0, -1])('is not renewed by generation %i when it holds the second', (generation) => {
    const state = given(
      AgentJoined({ ...joined, generation: 1 }),
      AgentRenewed({ ...renewed, generation: 2 }),
    );
    expect(() => agentDecider.decide({ type: 'Renew', generation, renewed }, state)).toThrow(
      'already renewed',
    );
  });

  test('is not renewed where nobody knows it', () => {
    expect(() => agentDecider.decide({ type: 'Renew', generation: 1, renewed }, given())).toThrow(
      'not known here',
    );
  });
});
