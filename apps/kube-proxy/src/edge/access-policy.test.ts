import type { Role } from '@postern/contracts';
import type { Principal, PrincipalType } from '@postern/identity';
import type { UserState } from '@postern/policy';
import { expect, test } from 'vitest';
import { accessPolicy } from './access-policy.ts';

const role = (name: string) => ({ metadata: { name }, spec: { allow: {}, deny: {} } }) as unknown as Role;
const users = new Map<string, UserState>(
  ['alice', 'bot-ci'].map((name) => [name, { name, traits: {}, roles: [`role of ${name}`] }]),
);
const policy = accessPolicy({
  revision: () => '1',
  ageMs: () => 0,
  user: (name) => users.get(name),
  rolesOf: (user) => user.roles.map(role),
  lockOn: () => undefined,
  lockOnAgent: () => undefined,
});
const principal = (type: PrincipalType, id: string): Principal => ({
  type,
  id,
  clusterName: 'c',
  roles: [],
  notAfter: new Date(0),
  fingerprint: '',
});

test.each<[PrincipalType, string, string[]]>([
  ['user', 'alice', ['role of alice']],
  ['bot', 'alice', []],
  ['bot', 'ci', ['role of bot-ci']],
  ['user', 'ci', []],
  ['bot', 'bot-ci', []],
  ['agent', 'alice', []],
  ['svc', 'alice', []],
])('the %s %s has the roles %j', (type, id, names) => {
  const { roles } = policy.accessOf(principal(type, id));
  expect(roles.map(({ metadata }) => metadata.name)).toEqual(names);
});
