import { describe, expect, test } from 'vitest';
import { addressClass } from './network-address.ts';

const hosts: Record<string, ReturnType<typeof addressClass>> = {
  'api.example.com': 'ordinary',
  'kubernetes.default.svc': 'ordinary',
  '10.0.0.1': 'ordinary',
  '192.168.1.1': 'ordinary',
  '169.253.255.255': 'ordinary',
  '169.255.0.0': 'ordinary',
  '[2001:db8::1]': 'ordinary',
  '[fd00::1]': 'ordinary',
  '127.0.0.1': 'loopback',
  '127.255.255.254': 'loopback',
  localhost: 'loopback',
  'LOCALHOST.': 'loopback',
  'a.localhost': 'loopback',
  notlocalhost: 'ordinary',
  '[::1]': 'loopback',
  '[::ffff:127.0.0.1]': 'loopback',
  '[::ffff:7f00:1]': 'loopback',
  '[::127.0.0.1]': 'loopback',
  '[64:ff9b::7f00:1]': 'loopback',
  '[2002:7f00:1::]': 'loopback',
  '169.254.169.254': 'forbidden',
  '169.254.0.0': 'forbidden',
  '[fe80::1]': 'forbidden',
  '[febf::1]': 'forbidden',
  'fe80::1%eth0': 'forbidden',
  '[::ffff:169.254.169.254]': 'forbidden',
  '[::ffff:a9fe:a9fe]': 'forbidden',
  '[::ffff:0:169.254.169.254]': 'forbidden',
  '[::169.254.169.254]': 'forbidden',
  '[64:ff9b::a9fe:a9fe]': 'forbidden',
  '[2002:a9fe:a9fe::]': 'forbidden',
  '[fd00:ec2::254]': 'forbidden',
  '100.100.100.200': 'forbidden',
  '168.63.129.16': 'forbidden',
  '0.0.0.0': 'forbidden',
  '[::]': 'forbidden',
  '255.255.255.255': 'forbidden',
  '239.1.1.1': 'forbidden',
  '[ff02::1]': 'forbidden',
  'metadata.google.internal': 'forbidden',
  'metadata.google.internal.': 'forbidden',
  '': 'forbidden',
};

describe('an address', () => {
  test.each(Object.entries(hosts))('%s is %s (K-04)', (host, expected) => {
    expect(addressClass(host)).toBe(expected);
  });
});
