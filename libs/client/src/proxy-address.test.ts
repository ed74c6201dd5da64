import { describe, expect, test } from 'vitest';
import { hostOf, proxyAddress } from './proxy-address.ts';

describe('the address of a proxy', () => {
  test.each([
    ['example.com', 'example.com:3080'],
    ['Example.com:443', 'example.com:443'],
    ['https://example.com:443/', 'example.com:443'],
    ['127.0.0.1', '127.0.0.1:3080'],
    ['[::1]:3080', '[::1]:3080'],
  ])('%j is %j', (text, address) => {
    expect(proxyAddress(text)).toBe(address);
  });

  test.each([
    '',
    'a b',
    'example.com:0',
    'example.com:70000',
    'http://example.com',
    'example.com/path',
    'a@b',
    '-x',
    'x\ny',
  ])('%j is refused', (text) => {
    expect(() => proxyAddress(text)).toThrow(/invalid proxy address/);
  });

  test('names a host', () => {
    expect([hostOf('example.com:443'), hostOf('[::1]:3080')]).toEqual(['example.com', '::1']);
  });
});
