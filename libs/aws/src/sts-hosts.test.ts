import { describe, expect, test } from 'vitest';
import { stsHostNamed, stsHostOf } from './index.ts';

const commercial =
  `af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1
  ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 eu-central-1
  eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1 me-central-1 me-south-1 sa-east-1
  us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1 us-west-2`.split(/\s+/);
const elsewhere =
  `sts.cn-north-1.amazonaws.com.cn sts.cn-northwest-1.amazonaws.com.cn sts.us-iso-east-1.c2s.ic.gov
  sts.us-iso-west-1.c2s.ic.gov sts.us-isob-east-1.sc2s.sgov.gov sts.eusc-de-east-1.amazonaws.eu sts.amazonaws.com`.split(
    /\s+/,
  );
const fips = ['us-east-1', 'us-east-2', 'us-west-1', 'us-west-2'].map(
  (region) => `sts-fips.${region}.amazonaws.com`,
);

describe('a host is STS', () => {
  test.each([...commercial.map((region) => `sts.${region}.amazonaws.com`), ...elsewhere, ...fips])(
    '%s',
    (host) => {
      expect(stsHostNamed(host)?.host).toBe(host);
    },
  );

  test('of the region and partition that requests to it are signed for', () => {
    expect(stsHostNamed('sts.amazonaws.com')).toMatchObject({ region: 'us-east-1', partition: 'aws' });
    expect(stsHostNamed('sts.cn-north-1.amazonaws.com.cn')).toMatchObject({
      region: 'cn-north-1',
      partition: 'aws-cn',
    });
    expect(stsHostNamed('sts.us-gov-west-1.amazonaws.com')).toMatchObject({
      partition: 'aws-us-gov',
      isFips: true,
    });
  });
});

describe('a host is not STS', () => {
  test.each([
    '',
    'sts.com',
    'sts.example.com',
    'sts.us-east-1.com',
    'sts.us-attacker-1.amazonaws.com',
    'sts.cn-attacker-1.amazonaws.com.cn',
    'sts.us-east-1.amazonaws.com.cn',
    'sts.us-attacker-1.c2s.ic.gov',
    'sts.us-attacker-1.sc2s.sgov.gov',
    'sts.us-east-1.attacker.amazonaws.com',
    'sts.cn-north-1.attacker.amazonaws.com.cn',
    'sts.us-iso-east-1.attacker.c2s.ic.gov',
    'sts.us-isob-east-1.attacker.sc2s.sgov.gov',
    'example.com',
    'com',
    'sts',
    'sts..amazonaws.com',
    '.',
    '..',
    '...',
    'sts.\u{1F600}.amazonaws.com',
    'sts.evil.amazonaws.com',
    'sts-fips.evil.amazonaws.com',
    'evil.us-west-2.amazonaws.com',
    'sts-fips.example.com',
    'sts.us-west-2.example.com',
    'sts.us-west-2.amazonaws.com.evil',
    'sts.us-west-2.amazonaws.com:443',
    'STS.us-west-2.amazonaws.com',
    'sts.us-west-2.amazonaws.com.',
    'sts-fips.eu-west-1.amazonaws.com',
    '__proto__',
    'constructor',
  ])('%j (I-03)', (host) => {
    expect(stsHostNamed(host)).toBeUndefined();
  });
});

test('a region has a host, and some have one for FIPS', () => {
  expect(stsHostOf('eu-west-1')?.host).toBe('sts.eu-west-1.amazonaws.com');
  expect(stsHostOf('us-west-2', { isFips: true })?.host).toBe('sts-fips.us-west-2.amazonaws.com');
  expect(stsHostOf('us-gov-east-1', { isFips: true })?.host).toBe('sts.us-gov-east-1.amazonaws.com');
  expect(stsHostOf('eu-west-1', { isFips: true })).toBeUndefined();
  expect(stsHostOf('us-attacker-1')).toBeUndefined();
});
