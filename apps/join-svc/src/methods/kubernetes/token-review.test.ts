import { describe, expect, test } from 'vitest';
import { ecIssuer, tokenOf } from './testing.ts';
import { reviewAudiences, reviewedAccount } from './token-review.ts';

const status = {
  authenticated: true,
  audiences: ['postern'],
  user: {
    username: 'system:serviceaccount:prod:postern-agent',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:prod', 'system:authenticated'],
    extra: {
      'authentication.kubernetes.io/pod-name': ['agent-0'],
      'authentication.kubernetes.io/pod-uid': ['4ce91ad7'],
    },
  },
};
const withUser = (changes: object) => ({ ...status, user: { ...status.user, ...changes } });

describe('the answer of a TokenReview', () => {
  test('names the account and pod of a bound token', () => {
    expect(reviewedAccount(status, ['postern'])).toEqual({
      namespace: 'prod',
      name: 'postern-agent',
      podName: 'agent-0',
      podUid: '4ce91ad7',
    });
  });

  test.each([
    ['that is not authenticated', { authenticated: false, error: 'the pod is gone' }, 'the pod is gone'],
    ['that only looks authenticated', { ...status, authenticated: 'true' }, 'not authenticated'],
    ['with an error', { ...status, error: 'odd' }, 'odd'],
    ['for another audience (J-03)', { ...status, audiences: ['x'] }, 'audience'],
    ['of a server that does not know audiences (J-03)', { ...status, audiences: undefined }, 'audience'],
    ['about a person', withUser({ username: 'alice' }), 'not a service account'],
    ['about a malformed account', withUser({ username: 'system:serviceaccount:a' }), 'malformed'],
    ['about an account that is not in its group', withUser({ groups: ['x'] }), 'system:serviceaccounts'],
    [
      'about an account with no groups',
      withUser({ groups: 'system:serviceaccounts' }),
      'system:serviceaccounts',
    ],
    ['about a legacy token (J-05)', withUser({ extra: {} }), 'legacy service account tokens'],
    [
      'about two pods (J-05)',
      withUser({ extra: { 'authentication.kubernetes.io/pod-name': ['a', 'b'] } }),
      'legacy',
    ],
    ['that is empty', {}, 'not authenticated'],
  ])('%s is a refusal', (_, answer, why) => {
    expect(() => reviewedAccount(answer, ['postern'])).toThrow(why);
  });
});

test.each([
  [
    'those of its own token and the cluster',
    tokenOf(ecIssuer(), { aud: ['https://kubernetes'] }),
    ['https://kubernetes', 'postern'],
  ],
  ['each once', tokenOf(ecIssuer(), { aud: 'postern' }), ['postern']],
  ['none where its own token has none', tokenOf(ecIssuer(), { aud: undefined }), []],
  ['the cluster where its own token says nothing', 'static-token', ['postern']],
  ['the cluster where it has no token', undefined, ['postern']],
])('a token is reviewed for %s', (_, own, audiences) => {
  expect(reviewAudiences('postern', own)).toEqual(audiences);
});
