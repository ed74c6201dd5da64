import { describe, expect, test } from 'vitest';
import { userJwt } from './bus-credentials.ts';
import { readJwt } from './jwt.ts';
import { createUserKey } from './nkeys.ts';
import { createOperatorConfig } from './operator.ts';
import { permissionsOf } from './permissions.ts';

describe('a user JWT', () => {
  const { accountSeed, accountJwt } = createOperatorConfig();
  const { publicKey: userPublicKey } = createUserKey();
  const spec = { accountSeed, userPublicKey, name: 'a1', expires: new Date('2026-01-02T00:00:00Z') };
  const clock = () => new Date('2026-01-01T00:00:00Z');

  test('names the user, its end and what it may do', () => {
    const permissions = permissionsOf({ agentId: 'a1', roles: ['Kube'], views: ['f'.repeat(32)] });
    expect(readJwt(userJwt({ ...spec, ...permissions, clock }))).toMatchObject({
      sub: userPublicKey,
      iss: readJwt(accountJwt)['sub'],
      name: 'a1',
      iat: 1_767_225_600,
      exp: 1_767_312_000,
      nats: {
        type: 'user',
        version: 2,
        pub: { allow: permissions.publish },
        sub: { allow: permissions.subscribe },
        subs: 64,
      },
    });
  });

  test('lets only those answer who are asked', () => {
    const nats = (user: Parameters<typeof permissionsOf>[0]) =>
      readJwt(userJwt({ ...spec, ...permissionsOf(user), clock }))['nats'];
    expect(nats({ agentId: 's1', roles: ['Auth'], service: 'resource-svc' })).toMatchObject({
      resp: { max: 1, ttl: 30e9 },
      subs: -1,
    });
    expect(nats({ agentId: 'a1', roles: ['Kube', 'Proxy', 'Discovery'] })).not.toHaveProperty('resp');
    expect(nats({ agentId: 'j1', roles: ['Auth'], service: 'join-svc' })).not.toHaveProperty('resp');
  });
});
