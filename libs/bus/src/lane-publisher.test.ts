import { agentSubjects } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { factLanes, subjectsInLanes } from './fact-lanes.ts';
import { LanePublisher } from './lane-publisher.ts';

const fact = agentSubjects.fact('edge-1', 'KubeRequestAudited');
const lanes = subjectsInLanes(fact);
const patience = { ownMs: 20, lastMs: 20 };

/** Lanes that keep what they get, but for those that say nothing and those that refuse. */
function bus({ silent = [], refusing = [] }: { silent?: string[]; refusing?: string[] }) {
  const asked: string[] = [];
  const changes: string[] = [];
  const publisher = new LanePublisher((from, to) => void changes.push(`${from} ${to}`), patience);
  const attempt = async (subject: string) => {
    asked.push(subject);
    if (silent.includes(subject)) return new Promise<string>(() => {});
    if (refusing.includes(subject)) throw new Error(`${subject} refuses`);
    return subject;
  };
  return {
    asked,
    changes,
    publish: (subject: string) => publisher.publish(subject, attempt),
    silent,
    refusing,
  };
}

describe('a fact of an edge', () => {
  test('has a subject in every lane, and nothing else has', () => {
    expect(lanes).toEqual([fact, `${fact}.2`, `${fact}.3`]);
    for (const alone of [
      `${fact}.2`,
      agentSubjects.fact('edge-1', 'ClusterServed'),
      'evt.join.>',
      fact.slice(6),
    ])
      expect(subjectsInLanes(alone)).toEqual([alone]);
    expect(new Set(factLanes.flatMap(Object.values)).size).toBe(9);
  });

  test('goes to one lane while that one keeps it', async () => {
    const { asked, changes, publish } = bus({});
    const kept = await publish(fact);
    expect([await publish(fact), await publish(fact)]).toEqual([kept, kept]);
    expect(asked).toEqual([kept, kept, kept]);
    expect(changes).toEqual([]);
  });

  test.each(['silent', 'refusing'] as const)(
    'goes on to the others when the first is %s, and stays',
    async (how) => {
      const tried = bus({});
      const first = await tried.publish(fact);
      tried[how].push(first);
      const kept = await tried.publish(fact);
      expect(kept).not.toBe(first);
      expect(tried.asked.slice(1).toSorted()).toEqual(lanes.toSorted());
      expect(tried.changes).toEqual([`${first} ${kept}`]);
      tried.asked.length = 0;
      expect(await tried.publish(fact)).toBe(kept);
      expect(tried.asked).toEqual([kept]);
    },
  );

  test('that no lane keeps fails as the first did', async () => {
    const { asked, publish } = bus({ refusing: [...lanes] });
    const failed = await publish(fact).catch((error: Error) => error);
    expect(failed).toMatchObject({ message: `${asked[0]} refuses` });
    expect(asked.toSorted()).toEqual(lanes.toSorted());
  });

  test('is acknowledged by the first lane late, when the others refuse', async () => {
    const publisher = new LanePublisher(() => {}, patience);
    const late = Promise.withResolvers<string>();
    const asked: string[] = [];
    const kept = publisher.publish(fact, async (subject) => {
      asked.push(subject);
      if (asked.length === 1) return late.promise;
      if (asked.length === lanes.length) setTimeout(() => late.resolve(asked[0]!), 0);
      throw new Error('refused');
    });
    expect(await kept).toBe(asked[0]);
  });
});
