import { X509Certificate } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { publishedCertificates, regionKeys } from './aws-certificates.ts';
import { octetsOf, readBer } from './ber.ts';
import { readIdentityDocument } from './identity-document.ts';
import { matchingRule, requireFresh, requireSupported } from './instance-rules.ts';
import { instanceDocument as document, startedAt, testRegion } from './testing.ts';

const scope = new DisposableStack();
const region = scope.use(testRegion());
const elsewhere = scope.use(testRegion());
afterAll(() => scope.dispose());

const keys = regionKeys({ 'us-west-2': region.certificate, 'us-west-99': elsewhere.certificate });
const read = (text: string) => readIdentityDocument(text, keys);
const signed = region.sign(document);

describe('an instance identity document', () => {
  test.each([
    ['as AWS writes it', undefined],
    ['with stated lengths', ['-md', 'sha256']],
    ['without certificates', ['-nocerts', '-md', 'sha256']],
    ['without signed attributes', ['-noattr', '-md', 'sha256']],
  ])('%s says which instance it is', (_, options) => {
    expect(read(region.sign(document, options))).toEqual({
      accountId: '123456789012',
      instanceId: 'i-0123456789abcdef0',
      region: 'us-west-2',
      pendingTime: startedAt,
    });
  });

  test('may be broken into lines', () => {
    expect(read(signed.replaceAll(/(.{64})/g, '$1\n')).accountId).toBe('123456789012');
  });

  const flipped = (at: number) => {
    const bytes = Buffer.from(signed, 'base64');
    bytes[at < 0 ? bytes.length + at : at]! ^= 1;
    return bytes.toString('base64');
  };
  const accountAt = Buffer.from(signed, 'base64').indexOf('123456789012');
  // The last eight bytes are the ends of values without a stated length.
  test.each([
    ['of another account than was signed', flipped(accountAt + 11), 'signature'],
    ['with another signature', flipped(-20), 'signature'],
    ['signed by another region', elsewhere.sign(document), 'signature'],
    ['of another region than its signer', region.sign({ ...document, region: 'us-west-99' }), 'signature'],
    ['signed by us for a region of AWS', region.sign({ ...document, region: 'eu-west-1' }), 'signature'],
    [
      'of an unknown region',
      region.sign({ ...document, region: 'mars-north-1' }),
      'unsupported EC2 region: "mars-north-1"',
    ],
    ['signed over SHA-1', region.sign(document, ['-md', 'sha1']), 'unable to decode'],
    [
      'of two signers',
      Buffer.concat([Buffer.from(signed, 'base64'), Buffer.from(signed, 'base64')]).toString('base64'),
      'unable to decode',
    ],
    ['with the account twice removed', region.sign({ ...document, accountId: undefined }), 'accountId'],
    ['with an account that is none', region.sign({ ...document, accountId: '12345678901' }), 'accountId'],
    ['with an instance that is none', region.sign({ ...document, instanceId: 'i-../../x' }), 'instanceId'],
    ['with a start that is none', region.sign({ ...document, pendingTime: 'now' }), 'pendingTime'],
    ['with a region that is a path', region.sign({ ...document, region: '../x-1' }), 'region'],
    ['that is a list', region.sign([document]), 'holds no object'],
    ['that is no JSON', region.sign('accountId=1'), 'holds no JSON'],
    [
      'that names the account twice',
      region.sign('{"accountId":"1","accountId":"123456789012"}'),
      'unable to decode',
    ],
    ['that is cut short', signed.slice(0, 400), 'unable to decode'],
    ['that is empty', '', 'unable to decode'],
    ['that is no base64', 'not base64!', 'unable to decode'],
    ['in PEM armour', `-----BEGIN PKCS7-----\n${signed}\n-----END PKCS7-----`, 'unable to decode'],
    ['of 13 KiB', 'A'.repeat(13 * 1024), 'unable to decode'],
  ])('%s is refused', (_, text, why) => {
    expect(() => read(text)).toThrow(why);
  });

  test('changed in any byte never says something else, and never does worse than be refused (C-05)', () => {
    const good = JSON.stringify(read(signed));
    for (let at = 0; at < Buffer.from(signed, 'base64').length; at += 1) {
      let said = good;
      try {
        said = JSON.stringify(read(flipped(at)));
      } catch (error) {
        expect(error).toMatchObject({ code: 'join.proof_refused' });
      }
      expect(said).toBe(good);
    }
  });
});

describe('BER', () => {
  test.each([
    ['deep (C-05)', Buffer.alloc(8000, Buffer.from([0x30, 0x80]))],
    ['of many values (C-05)', Buffer.alloc(200, Buffer.from([0x05, 0x00]))],
    ['with a length of four bytes (C-05)', Buffer.from('048400000001ff', 'hex')],
    ['with a tag of two bytes', Buffer.from('1f8101', 'hex')],
    ['with a primitive value that has no end', Buffer.from('04800000', 'hex')],
    ['cut short', Buffer.from('0405ff', 'hex')],
  ])('%s is refused', (_, bytes) => {
    expect(() => readBer(bytes)).toThrow(RangeError);
  });

  test('gives an octet string whole, in however many pieces it is', () => {
    const [value] = readBer(Buffer.from('24800402616204016324030401640000', 'hex'));
    expect(octetsOf(value!).toString()).toBe('abcd');
  });
});

test('the certificates of AWS are RSA-2048, of AWS, each signed by itself and of one region', () => {
  const table = Object.entries(publishedCertificates());
  expect(new Set(table.map(([, der]) => der)).size).toBe(table.length);
  for (const [name, der] of table) {
    const certificate = new X509Certificate(Buffer.from(der, 'base64'));
    expect([name, certificate.subject]).toEqual([name, expect.stringContaining('O=Amazon Web Services LLC')]);
    expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
  }
  expect(table.map(([name]) => name)).toEqual(
    expect.arrayContaining(['us-east-1', 'us-gov-west-1', 'cn-north-1']),
  );
});

describe('an instance', () => {
  const identity = read(signed);
  const after = (ms: number) => new Date(startedAt.getTime() + ms);

  test.each([
    ['just started', 0, '5m'],
    ['started five minutes ago', 300_000, '5m'],
    ['started in a minute, by our clock', -60_000, '5m'],
    ['started an hour ago, where the token says so', 3_600_000, '1h'],
  ])('%s may join', (_, age, ttl) => {
    expect(() => requireFresh(identity, ttl, after(age))).not.toThrow();
  });

  test.each([
    ['started longer ago', 300_001, '5m', 'longer ago than aws_iid_ttl, 5m0s'],
    ['started in more than a minute', -60_001, '5m', 'appears to be in the future'],
  ])('%s may not', (_, age, ttl, why) => {
    expect(() => requireFresh(identity, ttl, after(age))).toThrow(why);
  });

  const account = { aws_account: '123456789012' };
  test.each([
    ['its account', [account]],
    ['a role of its account', [{ aws_role: 'arn:aws:iam::123456789012:role/r' }]],
    ['its account and region', [{ ...account, aws_regions: ['us-east-1', 'us-west-2'] }]],
    ['another, and then its own', [{ aws_account: '000000000000' }, account]],
  ])('is let in by a rule of %s', (_, rules) => {
    expect(matchingRule(rules, identity)).toBe(rules.at(-1));
  });

  test.each([
    ['another account', [{ aws_account: '000000000000' }], 'allow[0].aws_account is not 123456789012'],
    ['another region', [{ ...account, aws_regions: ['us-east-1'] }], 'allow[0].aws_regions lacks us-west-2'],
    [
      'a role of another account',
      [{ aws_role: 'arn:aws:iam::000000000000:role/r' }],
      'allow[0].aws_role arn:aws:iam::000000000000:role/r is not of the account 123456789012',
    ],
    ['nobody', [], 'no allow rule matches'],
  ])('is not let in by a rule of %s', (_, rules, why) => {
    expect(() => matchingRule(rules, identity)).toThrow(why);
  });

  test('joins in roles of processes that stay on it', () => {
    expect(() => requireSupported(['Kube', 'Discovery'])).not.toThrow();
    expect(() => requireSupported(['Kube', 'Bot'])).toThrow(
      'role Bot is unsupported for the EC2 join method',
    );
  });
});
