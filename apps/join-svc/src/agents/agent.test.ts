import { AgentCopied, AgentJoined, AgentRenewed, AgentRevoked } from '@postern/contracts';
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
  attributes: {},
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

describe('an agent that is copied', () => {
  const report = { type: 'ReportCopy', agentId: 'a1', generation: 1, sourceIp: '10.0.0.9' } as const;

  test('is on record with both generations, each time, and keeps the latest', () => {
    const state = given(
      AgentJoined({ ...joined, generation: 1 }),
      AgentRenewed({ ...renewed, generation: 2 }),
    );
    const [event] = agentDecider.decide(report, state);
    expect(event).toEqual(AgentCopied({ agentId: 'a1', shown: 1, generation: 2, sourceIp: '10.0.0.9' }));
    expect(agentDecider.evolve(state, event!)).toEqual(state);
  });

  test('is not on record where there is no such agent', () => {
    expect(agentDecider.decide(report, given())).toEqual([]);
  });
});

describe('an agent that is revoked', () => {
  const revoke = {
    type: 'Revoke',
    revoked: { agentId: 'a1', by: 'admin' },
    at: new Date('2026-11-22T18:00:00Z'),
  } as const;
  const keys = ['U1', 'U2', 'U3'];
  const history = [
    AgentJoined({ ...joined, generation: 1, service: 'inventory-svc', busKey: keys[0]! }),
    AgentRenewed({ ...renewed, generation: 2, busKey: keys[1]! }),
    AgentRenewed({ ...renewed, generation: 3, busKey: keys[2]! }),
  ];

  test('is recorded with the bus users whose credentials have not ended', () => {
    const busKeys = keys.slice(1).map((key) => ({ key, notAfter: renewed.notAfter }));
    expect(agentDecider.decide(revoke, given(...history))).toEqual([
      AgentRevoked({ agentId: 'a1', by: 'admin', busKeys }),
    ]);
  });

  test('neither renews nor joins, and is not revoked again', () => {
    const state = given(...history, AgentRevoked({ agentId: 'a1', by: 'admin', busKeys: [] }));
    expect(() => agentDecider.decide({ type: 'Renew', generation: 3, renewed }, state)).toThrow(
      'was revoked',
    );
    expect(() => agentDecider.decide({ type: 'Join', joined }, state)).toThrow('used before');
    expect(agentDecider.decide(revoke, state)).toEqual([]);
  });

  test('was there before', () => {
    expect(() => agentDecider.decide(revoke, given())).toThrow('no agent a1 has joined');
  });

  test('was the service that it joined as until then', () => {
    expect(given(...history)).toMatchObject({ service: 'inventory-svc', generation: 3 });
  });
});
