import { describe, expect, test } from 'vitest';
import type { JoinToken } from '../methods/method.ts';
import { whyNotAllowed, whyRefused, type Wish } from './match.ts';

const now = new Date('2026-11-21T12:00:00Z');
const token: JoinToken = {
  id: 'a1',
  origin: 'resource',
  safeName: '***',
  method: 'token',
  roles: ['Kube', 'Discovery', 'Okta'],
  spec: {},
};
const services: JoinToken = { ...token, roles: ['Auth', 'Proxy'] };
const service = { method: 'token', roles: ['Auth'], service: 'inventory-svc' };
const wish = { method: 'token', roles: ['Kube'] };
const why = (found: JoinToken | undefined, asked: Wish) =>
  whyRefused(found, asked, now) ?? whyNotAllowed(found!, asked);
const expiring = (at: string) => ({ ...token, expires: new Date(at) });

describe('a token', () => {
  test.each([
    ['one of its roles', token, wish],
    ['all of its known roles', token, { ...wish, roles: ['Discovery', 'Kube'] }],
    ['the role of a service, and says which', services, service],
    ['its role a moment before it expires', expiring('2026-11-21T12:00:00.001Z'), wish],
  ])('lets in who asks for %s', (_, found, asked) => {
    expect(why(found, asked)).toBeUndefined();
  });

  test.each([
    ['no token', undefined, wish, 'unknown'],
    ['a token that expires now', expiring('2026-11-21T12:00:00Z'), wish, 'expired'],
    ['a token that has expired', expiring('2026-11-21T11:00:00Z'), wish, 'expired'],
    ['a token of another method', { ...token, method: 'iam' }, wish, 'for the method iam'],
    ['a method the token is not for', token, { ...wish, method: 'iam' }, 'for the method token'],
    ['one role too many', token, { ...wish, roles: ['Kube', 'Auth'] }, 'does not allow the role Auth'],
    ['a role in other letters', token, { ...wish, roles: ['kube'] }, 'does not allow the role kube'],
    ['a role that exists elsewhere only', token, { ...wish, roles: ['Okta'] }, 'there is no role Okta'],
    [
      'the role of a service without saying which',
      services,
      { ...service, service: undefined },
      'none is named',
    ],
    [
      'to be a service that there is not',
      services,
      { ...service, service: 'evil-svc' },
      'no service evil-svc joins',
    ],
    [
      'to be the service that signs',
      services,
      { ...service, service: 'join-svc' },
      'no service join-svc joins',
    ],
    [
      'to be a service without its role',
      token,
      { ...wish, service: 'inventory-svc' },
      'without the role Auth',
    ],
    ['a role twice', token, { ...wish, roles: ['Kube', 'Kube'] }, 'twice'],
  ])('refuses %s', (_, found, asked, reason) => {
    expect(why(found, asked)).toContain(reason);
  });
});
