import { agentSubjects } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { readFact } from './read-fact.ts';

const now = new Date('2030-01-01T00:00:00.000Z');
const served = {
  agentId: 'a1',
  cluster: 'prod',
  state: 'served',
  labels: { env: 'prod' },
  reason: 'registered',
};
const fact = { id: 'f1', type: 'ClusterServed', v: 1, at: '2029-12-31T23:59:00.000Z', data: served };

function read(changes: Record<string, unknown> = {}, subject = agentSubjects.fact('a1', 'ClusterServed')) {
  return readFact(subject, { ...fact, ...changes }, now);
}

describe('a fact', () => {
  test('is rebuilt from what its type has, at its own time', () => {
    const result = read({ data: { ...served, password: 'x' }, extra: 1 });
    expect(result).toMatchObject({
      fact: {
        agentId: 'a1',
        agentType: 'agent',
        occurredAt: fact.at,
        event: { type: 'ClusterServed', v: 1, data: served },
      },
    });
    expect(JSON.stringify(result)).not.toContain('password');
  });

  test('keeps its id over deliveries, and shares it with no other agent', () => {
    const idOf = (result: ReturnType<typeof read>) => ('fact' in result ? result.fact.id : undefined);
    expect(idOf(read())).toBe(idOf(read({ at: '2029-12-31T23:58:00.000Z' })));
    const other = read({ data: { ...served, agentId: 'a2' } }, agentSubjects.fact('a2', 'ClusterServed'));
    expect(idOf(other)).toBeDefined();
    expect(idOf(other)).not.toBe(idOf(read()));
  });

  test('from the future happened now', () => {
    expect(read({ at: '2031-01-01T00:00:00.000Z' })).toMatchObject({
      fact: { occurredAt: now.toISOString() },
    });
  });

  test('may be about an agent whose name needs encoding', () => {
    const agentId = 'a.b *>ä';
    expect(
      read({ data: { ...served, agentId } }, agentSubjects.fact(agentId, 'ClusterServed')),
    ).toMatchObject({ fact: { agentId } });
  });

  const rows: [string, Record<string, unknown>, string | undefined, string][] = [
    ['another agent in its data', { data: { ...served, agentId: 'a2' } }, undefined, 'another_agent'],
    ['another agent in its subject', {}, 'agent.a2.fact.ClusterServed', 'another_agent'],
    ['a type that is no fact', { type: 'AgentLost' }, 'agent.a1.fact.AgentLost', 'unknown_type'],
    ['a type named after a method', { type: 'toString' }, 'agent.a1.fact.toString', 'unknown_type'],
    ['another type in its subject', {}, 'agent.a1.fact.KubeRequestAudited', 'malformed'],
    ['a missing field', { data: { agentId: 'a1' } }, undefined, 'malformed'],
    ['a field of another type', { data: { ...served, cluster: 7 } }, undefined, 'malformed'],
    ['a version of the future', { v: 2 }, undefined, 'malformed'],
    ['version 0', { v: 0 }, undefined, 'malformed'],
    ['no id', { id: '' }, undefined, 'malformed'],
    ['a long id', { id: 'x'.repeat(101) }, undefined, 'malformed'],
    ['no time', { at: 'now' }, undefined, 'malformed'],
    ['a NUL character', { data: { ...served, reason: 'a\0b' } }, undefined, 'malformed'],
    ['half a character', { data: { ...served, labels: { 'a\ud800': 'b' } } }, undefined, 'malformed'],
    ['too much data', { data: { ...served, reason: 'x'.repeat(70_000) } }, undefined, 'too_large'],
  ];
  test.each(rows)('with %s is none', (_, changes, subject, refused) => {
    expect(read(changes, subject)).toEqual({ refused });
  });

  test.each([null, 'x', [], 7, {}])('is not %j', (body) => {
    expect(readFact('agent.a1.fact.ClusterServed', body, now)).toEqual({ refused: 'malformed' });
  });
});
