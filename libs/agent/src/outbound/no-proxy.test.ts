import { expect, test } from 'vitest';
import { isExempt } from './no-proxy.ts';

test.each([
  ['', 'edge.example.com', false],
  ['*', 'edge.example.com', true],
  ['example.com', 'edge.example.com', true],
  ['example.com', 'example.com', true],
  ['example.com', 'badexample.com', false],
  ['.example.com', 'edge.example.com', true],
  ['*.example.com', 'edge.example.com', true],
  ['.example.com', 'example.com', false],
  ['other.test, EDGE.example.com', 'edge.EXAMPLE.com', true],
  ['edge.example.com:443', 'edge.example.com', true],
  ['edge.example.com:8443', 'edge.example.com', false],
  ['10.0.0.0/8', '10.1.2.3', true],
  ['10.0.0.0/8', '11.1.2.3', false],
  ['10.0.0.0/8', '10.example.com', false],
  ['10.0.0.0/99,10.0.0.0/x,/8', '10.1.2.3', false],
  ['fd00::/8', 'fd00::1', true],
  ['[fd00::1]:443', 'fd00::1', true],
  ['fd00::1', 'fd00::2', false],
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1', '192.0.2.10', false],
  ['', 'localhost', true],
  ['', '127.0.0.9', true],
  ['', '::1', true],
  ['', '127.example.com', false],
])('NO_PROXY=%s and %s', (noProxy, host, exempt) => {
  expect(isExempt(noProxy, { host, port: 443 })).toBe(exempt);
});
