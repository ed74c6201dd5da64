import { describe, expect, test } from 'vitest';
import { createOperatorConfig, userJwt } from './bus-credentials.ts';
import { createUserKey } from './nkeys.ts';
import { agentPermissions, permissionsOf } from './permissions.ts';

const claimsOf = (jwt: string) =>
  JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>;

describe('a user JWT', () => {
  const { accountSeed, accountJwt } = createOperatorConfig();
  const { publicKey: userPublicKey } = createUserKey();
  const spec = { accountSeed, userPublicKey, name: 'a1', expires: new Date('2026-01-02T00:00:00Z') };
  const clock = () => new Date('2026-01-01T00:00:00Z');

  test('names the user, its end and what it may do', () => {
    const claims = claimsOf(
      userJwt({ ...spec, ...agentPermissions('a1', ['f'.repeat(32)], ['Kube']), clock }),
    );
    expect(claims).toMatchObject({
      sub: userPublicKey,
      iss: claimsOf(accountJwt)['sub'],
      name: 'a1',
      iat: 1_767_225_600,
      exp: 1_767_312_000,
      nats: {
        type: 'user',
        version: 2,
        pub: {
          allow: ['hb', 'served', 'bye', 'view.open', 'view.snap', 'fact.ClusterServed'].map(
            (tail) => `agent.a1.${tail}`,
          ),
        },
        sub: { allow: ['_INBOX.a1.>', 'cmd.a1.>', `live.view.${'f'.repeat(32)}.kube_cluster.>`] },
        subs: 64,
      },
    });
    expect(claims['nats']).not.toHaveProperty('resp');
  });

  test('of a service lets it answer', () => {
    const claims = claimsOf(userJwt({ ...spec, ...permissionsOf(['Auth'], 's1', []), clock }));
    expect(claims).toMatchObject({ nats: { resp: { max: 1, ttl: 30e9 } } });
  });
});

describe('permissions', () => {
  test('encode ids that would mean more than themselves', () => {
    expect(agentPermissions('*', []).publish).toContain('agent.=2a.hb');
    expect(agentPermissions('a.>', []).subscribe).toEqual(['_INBOX.a=2e=3e.>', 'cmd.a=2e=3e.>']);
  });

  test('follow the strongest role', () => {
    expect(permissionsOf(['Discovery'], 'a', [])).toEqual(agentPermissions('a', [], ['Discovery']));
    expect(permissionsOf(['Kube', 'Proxy'], 'a', []).publish).toContain('inventory.routes');
    expect(permissionsOf(['Proxy', 'Auth'], 'a', []).publish).toContain('evt.>');
  });

  test('let each role publish the facts that it witnesses', () => {
    const factsOf = (...roles: string[]) =>
      permissionsOf(roles, 'a', []).publish.filter((subject) => subject.includes('.fact.'));
    expect(factsOf('Kube')).toEqual(['agent.a.fact.ClusterServed']);
    expect(factsOf('Proxy')).toEqual(['agent.a.fact.KubeRequestAudited']);
    expect(factsOf('Discovery')).toEqual([]);
  });
});
