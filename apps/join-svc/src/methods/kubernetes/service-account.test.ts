import { describe, expect, test } from 'vitest';
import { accountOf, boundPod, requireAllowed } from './service-account.ts';

describe('the user name of a service account', () => {
  test('is its namespace and name', () => {
    expect(accountOf('system:serviceaccount:kube-system:node.agent-1')).toEqual({
      namespace: 'kube-system',
      name: 'node.agent-1',
    });
  });

  test.each([
    ['with a part too many', 'system:serviceaccount:ns:name:x'],
    ['with a part too few', 'system:serviceaccount:ns'],
    ['with an empty part', 'system:serviceaccount::name'],
    ['spelt differently', 'System:ServiceAccount:ns:name'],
    ['with a path', 'system:serviceaccount:ns/..:name'],
    ['with a blank', 'system:serviceaccount:ns:name '],
    ['with a line break', 'system:serviceaccount:ns:name\n'],
    ['with a look-alike letter', 'system:serviceaccount:ns:nаme'],
    ['of 4 KiB', `system:serviceaccount:ns:${'x'.repeat(4096)}`],
    ['of a person', 'alice'],
    ['that is no text', ['system:serviceaccount:ns:name']],
    ['that is absent', undefined],
  ])('%s is refused (J-06)', (_, user) => {
    expect(() => accountOf(user)).toThrow(/not a service account|malformed service account/);
  });

  test('is allowed by a rule that names it, and by no other', () => {
    const account = { namespace: 'prod', name: 'agent' };
    requireAllowed([{ service_account: 'dev:agent' }, { service_account: 'prod:agent' }], account);
    for (const rule of ['prod:*', 'prod:agents', '*:agent', 'Prod:agent', 'prod:agent ']) {
      expect(() => requireAllowed([{ service_account: rule }], account)).toThrow('prod:agent');
    }
  });
});

test.each([
  ['no name', undefined, 'uid-1'],
  ['no uid', 'agent-0', undefined],
  ['a name that is none', '../x', 'uid-1'],
])('a pod with %s is none (J-05)', (_, name, uid) => {
  expect(() => boundPod(name, uid)).toThrow('not bound to a pod');
});
