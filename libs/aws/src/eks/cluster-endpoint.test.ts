import { expect, test } from 'vitest';
import { whyNoEksEndpoint } from './cluster-endpoint.ts';

test.each([
  ['https://0123ABCD.gr7.eu-west-1.eks.amazonaws.com', 'eu-west-1'],
  ['https://0123ABCD.yl4.cn-north-1.eks.amazonaws.com.cn', 'cn-north-1'],
  ['https://0123ABCD.eks.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
  ['https://0123ABCD.eu-west-1.api.aws', 'eu-west-1'],
  ['https://0123ABCD.cn-north-1.api.amazonwebservices.com.cn', 'cn-north-1'],
  ['https://0123ABCD.cn-north-1.amazonwebservices.com.cn', 'cn-north-1'],
])('%s is an API server of EKS in %s', (endpoint, region) => {
  expect(whyNoEksEndpoint(endpoint, region, { allowLoopback: false })).toBeUndefined();
});

test.each([
  ['an address', 'https://169.254.169.254'],
  ['another region', 'https://0123.gr7.us-east-1.eks.amazonaws.com'],
  ['another partition', 'https://0123.gr7.eu-west-1.eks.amazonaws.com.cn'],
  ['a name that only begins so', 'https://0123.gr7.eu-west-1.eks.amazonaws.com.attacker.test'],
  ['a name that only ends so', 'https://0123.gr7.eu-west-1.eks.amazonaws.com@attacker.test'],
  ['a name that ends in another’s', 'https://eu-west-1.eks.amazonaws.com'],
  ['no TLS', 'http://0123.gr7.eu-west-1.eks.amazonaws.com'],
  ['a port', 'https://0123.gr7.eu-west-1.eks.amazonaws.com:8443'],
  ['a user', 'https://a:b@0123.gr7.eu-west-1.eks.amazonaws.com'],
  ['another service of AWS', 'https://bucket.s3.eu-west-1.amazonaws.com'],
  ['no address', ''],
  ['this machine without TLS', 'http://127.0.0.1:6443'],
])('an API server of EKS is not at %s (D-05)', (_, endpoint) => {
  expect(whyNoEksEndpoint(endpoint, 'eu-west-1', { allowLoopback: true })).toContain('its endpoint');
});

test('an API server of EKS is on this machine only where that is allowed', () => {
  const why = (allowLoopback: boolean) =>
    whyNoEksEndpoint('https://127.0.0.1:6443', 'eu-west-1', { allowLoopback });
  expect(why(true)).toBeUndefined();
  expect(why(false)).toContain('its endpoint');
});
