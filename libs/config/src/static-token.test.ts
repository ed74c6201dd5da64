import { sha256Hex } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { readStaticToken, staticTokenLine } from './static-token.ts';

const value = 'canary-static-token-0123456789';
const id = sha256Hex(value);

describe('a static token', () => {
  test.each([
    [`kube:${value}`, ['Kube']],
    [`Node, KUBE,kube :${value}`, ['Node', 'Kube']],
    [`windowsdesktop:sha256:${id}`, ['WindowsDesktop']],
  ])('%s is kept as the hash of its value (J-12)', (text, roles) => {
    expect(readStaticToken(text)).toEqual({ id, roles });
  });

  test('is read from what its value stands for', () => {
    const resolve = (name: string) => (name === '/etc/token' ? value : name);
    expect(readStaticToken('kube:/etc/token', resolve)).toEqual({ id, roles: ['Kube'] });
  });

  test('may hold colons', () => {
    expect(readStaticToken('kube:with:colons:in:it').id).toBe(sha256Hex('with:colons:in:it'));
  });

  test('is written without its value', () => {
    const token = readStaticToken(`node,kube:${value}`);
    expect(staticTokenLine(token)).toBe(`node,kube:sha256:${id}`);
    expect(readStaticToken(staticTokenLine(token))).toEqual(token);
  });

  test.each([
    [value, 'must be like node,kube:value'],
    [`:${value}`, 'must be like node,kube:value'],
    [`kubes:${value}`, 'must begin with roles'],
    [`${value}:kube`, 'must begin with roles'],
    [`auth:${value}`, 'POSTERN_JOIN_TOKEN_FILE'],
    ['kube:short', '16 to 512 characters'],
    [`kube:${'x'.repeat(513)}`, '16 to 512 characters'],
  ])('like %s is refused, and its value is not repeated (J-16)', (text, why) => {
    expect(() => readStaticToken(text)).toThrow(why);
    expect(() => readStaticToken(text)).not.toThrow(value);
  });
});
