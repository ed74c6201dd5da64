import { everything, selectorHash } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import type { OperatorConfig } from '../../src/index.ts';
import { credentialsFor, type RawUser, rawUser } from './bus-users.ts';
import { subjectSpace, type UserName, users } from './subject-space.ts';

/** A server with an operator; its address is known when the tests run. */
interface Tried {
  readonly url: () => string;
  readonly ca?: () => string;
  readonly operator: OperatorConfig;
}

/** The whole subject space, tried with the credential of each user over one kind of connection. */
export function describePermissions(transport: string, { url, ca, operator }: Tried): void {
  const hash = selectorHash(everything('kube_cluster'));
  const otherHash = selectorHash(everything('role'));
  const space = subjectSpace({ self: 'a1', other: 'a2', hash, otherHash });
  const subjects = space.map(({ subject }) => subject);
  const connectAs = (name: UserName): Promise<RawUser> => {
    const creds = credentialsFor(operator, { agentId: 'a1', ...users[name], views: [hash] });
    return rawUser({ url: url(), ca: ca?.() }, { agentId: 'a1', ...creds });
  };

  describe.each(Object.keys(users) as UserName[])(`over ${transport}, the credential of %s`, (name) => {
    const allowed = (right: 'publish' | 'subscribe') =>
      space.filter((row) => row[right].includes(name)).map(({ subject }) => subject);

    test('allows exactly its own subjects to be published on', async () => {
      await using user = await connectAs(name);
      expect(await user.publishable(subjects)).toEqual(allowed('publish'));
    });

    test('allows exactly its own subjects to be heard, alone and in a queue', async () => {
      await using user = await connectAs(name);
      expect(await user.subscribable(subjects)).toEqual(allowed('subscribe'));
      expect(await user.subscribable(subjects, 'queue')).toEqual(allowed('subscribe'));
    });
  });
}
