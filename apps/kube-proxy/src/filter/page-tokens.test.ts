import { describe, expect, test } from 'vitest';
import { isSealed, openToken, sealToken } from './page-tokens.ts';

const key = Buffer.alloc(32, 1);
const use = ['spiffe://postern/user/alice', 'prod', '', 'secrets', 'dev', '', ''];
const token = Buffer.from('{"v":"meta.k8s.io/v1","rv":7,"start":"dev/hidden\\u0000"}').toString('base64url');

describe('a sealed token for a next page', () => {
  test('is the same token again for the same use, and shows nothing of it (L-04)', () => {
    const sealed = sealToken(key, token, use);
    expect(isSealed(sealed)).toBe(true);
    expect(sealed).not.toContain(token.slice(0, 8));
    expect(openToken(key, sealed, use)).toBe(token);
    expect(sealToken(key, token, use)).not.toBe(sealed);
  });

  test('has a length that does not tell that of a name (L-04)', () => {
    const lengths = ['a', 'b'.repeat(100), 'c'.repeat(250)].map((text) => sealToken(key, text, use).length);
    expect(new Set(lengths).size).toBe(1);
  });

  test.each(use.map((_, index) => index))(
    'is of no use when part %i of its use is another (L-04)',
    (index) => {
      const other = use.with(index, 'other');
      expect(() => openToken(key, sealToken(key, token, use), other)).toThrow(/list again/);
    },
  );

  test('is not opened by another key, nor when it was touched (L-04)', () => {
    const sealed = sealToken(key, token, use);
    expect(() => openToken(Buffer.alloc(32, 2), sealed, use)).toThrow(/list again/);
    for (let at = 0; at < sealed.length; at += 7) {
      const touched = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
      expect(() => openToken(key, touched, use)).toThrow(/list again/);
    }
  });

  test.each(['', 'postern.', 'postern.AAAA', 'postern.!!!!', token, `postern.${'A'.repeat(20_000)}`])(
    '%j is none (L-04)',
    (text) => {
      expect(() => openToken(key, text, use)).toThrow(
        expect.objectContaining({ code: 'kube.continue_expired' }),
      );
    },
  );

  test('is not made of one that is too long', () => {
    expect(() => sealToken(key, 'x'.repeat(9000), use)).toThrow(/too long/);
  });
});
