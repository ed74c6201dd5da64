import { describe, expect, test } from 'vitest';
import { permissionsOf } from './permissions.ts';

describe('permissions', () => {
  test('encode ids that would mean more than themselves', () => {
    expect(permissionsOf({ agentId: '*', roles: [] }).publish).toContain('agent.=2a.hb');
    expect(permissionsOf({ agentId: 'a.>', roles: [] }).subscribe).toEqual([
      'cmd.a=2e=3e.>',
      '_INBOX.a=2e=3e.>',
      'trust.news',
    ]);
  });

  test('of several roles are those of each', () => {
    const of = (...roles: string[]) => permissionsOf({ agentId: 'a', roles }).publish.toSorted();
    expect(of('Kube', 'Proxy')).toEqual([...new Set([...of('Kube'), ...of('Proxy')])].toSorted());
  });

  test('of a service are its own alone, whatever other roles its certificate has', () => {
    const service = { agentId: 's', service: 'inventory-svc' } as const;
    expect(permissionsOf({ ...service, roles: ['Auth', 'Proxy', 'Kube'] })).toEqual(
      permissionsOf({ ...service, roles: ['Auth'] }),
    );
  });

  test('of the role Auth without a service are those of anybody', () => {
    expect(permissionsOf({ agentId: 'a', roles: ['Auth'] })).toEqual(
      permissionsOf({ agentId: 'a', roles: [] }),
    );
  });
});
