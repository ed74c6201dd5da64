import { createOperatorConfig, createUserKey } from '@postern/bus';
import { agentSubjects, everything, selectorHash, trustSubject } from '@postern/contracts';
import { Secret, systemClock } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import { describe, expect, test } from 'vitest';
import { busAccessIssuer } from './bus-access.ts';

const telemetry = silentTelemetry();
const deps = { telemetry, clock: systemClock };
const busAccountSeed = new Secret(createOperatorConfig().accountSeed);
const { publicKey: busKey } = createUserKey();
const servers = { natsServers: ['nats://join:hunter2@nats:4222'], busServers: undefined };
const notAfter = new Date('2030-01-01T00:00:00Z');
const hash = (...names: string[]) => selectorHash(everything(...names));
const payloadOf = (jwt = '') =>
  JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as {
    sub: string;
    exp: number;
    nats: { pub: { allow: string[] }; sub: { allow: string[] } };
  };

describe('access to the bus', () => {
  test('is limited to the subjects of the joiner and the views it reads, and ends with its certificate', () => {
    const view = '0123456789abcdef0123456789abcdef';
    const issuer = busAccessIssuer({ ...servers, busAccountSeed }, deps);
    const { jwt } = issuer.issue({ agentId: 'a1', roles: ['Kube'], busKey, views: [view], notAfter });
    const { sub, exp, nats } = payloadOf(jwt);
    expect({ sub, exp }).toEqual({ sub: busKey, exp: notAfter.getTime() / 1000 });
    expect(nats.pub.allow).toContain(agentSubjects.heartbeat('a1'));
    expect(nats.pub.allow.every((subject) => subject.startsWith('agent.a1.'))).toBe(true);
    expect(nats.sub.allow).toContain(`live.view.${view}.*.kube_cluster.>`);
    const others = nats.sub.allow.filter((subject) => !subject.includes('a1') && !subject.includes(view));
    expect(others).toEqual([trustSubject]);
  });

  test('does not pass on the password of join-svc itself', () => {
    const { servers: told } = busAccessIssuer({ ...servers, busAccountSeed }, deps).issue({
      agentId: 'a1',
      roles: ['Kube'],
      busKey,
      views: [],
      notAfter,
    });
    expect(told).toEqual(['nats://nats:4222']);
  });

  test('without the seed of the account is open to everybody, and that is said aloud', () => {
    const issuer = busAccessIssuer({ ...servers, busAccountSeed: undefined }, deps);
    expect(issuer.issue({ agentId: 'a1', roles: ['Kube'], busKey, views: [], notAfter })).not.toHaveProperty(
      'jwt',
    );
    expect(telemetry.lines.join()).toContain('ASKS NOBODY');
  });
});

describe('the views that a joiner may read', () => {
  const views = [hash('kube_cluster'), hash('role', 'user'), hash('token'), hash('role', 'kube_cluster')];
  const issuer = busAccessIssuer({ ...servers, busAccountSeed }, deps);

  test.each([
    ['an agent', ['Kube'], ['kube_cluster']],
    ['a discovery agent', ['Discovery'], ['discovery_config', 'kube_cluster']],
    ['an edge', ['Proxy', 'Kube'], ['kube_cluster', 'lock', 'role', 'user']],
    ['a certificate of a service that does not say which', ['Auth'], []],
    ['a process of no role that we know', ['Node'], []],
  ])('show %s the kinds of its work alone, whatever they select', (_, roles, kinds) => {
    const { jwt } = issuer.issue({ agentId: 'a1', roles, busKey, views, notAfter });
    const live = payloadOf(jwt).nats.sub.allow.filter((subject) => subject.startsWith('live.view.'));
    expect(live.toSorted()).toEqual(
      views.flatMap((view) => kinds.map((kind) => `live.view.${view}.*.${kind}.>`)).toSorted(),
    );
  });
});
