import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type Authority,
  type CertificateSpec,
  createAuthority,
  generateKeyPair,
  issueCertificate,
  type PrincipalType,
  principalOf,
  publicKeyOf,
  type TrustBundle,
} from './index.ts';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  signingAlgorithm,
  signingKeyFrom,
  SubjectAlternativeNameExtension,
  verifyingKeyFrom,
  X509CertificateGenerator,
} from './testing.ts';

const now = new Date('2026-11-21T12:00:00Z');
const clock = () => now;
const later = new Date(now.getTime() + 3_600_000);
const session = '0198a000-0000-7000-8000-000000000001';
const id = '0198a000-0000-7000-8000-000000000002';
const clientAuth = '1.3.6.1.5.5.7.3.2';
const serverAuth = '1.3.6.1.5.5.7.3.1';

let host: Authority;
let user: Authority;
let foreignHost: Authority;
let foreignUser: Authority;
let trust: TrustBundle;
let publicKey: string;
let leafKey: string;

beforeAll(async () => {
  [host, user, foreignHost, foreignUser] = await Promise.all([
    createAuthority({ use: 'host', clusterName: 'postern', clock }),
    createAuthority({ use: 'user', clusterName: 'postern', clock }),
    createAuthority({ use: 'host', clusterName: 'postern', clock }),
    createAuthority({ use: 'user', clusterName: 'postern', clock }),
  ]);
  trust = { clusterName: 'postern', hostCa: host.certificate, userCa: user.certificate };
  ({ publicKey, privateKey: leafKey } = await generateKeyPair());
});

const specs: Record<PrincipalType, () => CertificateSpec> = {
  user: () => ({ type: 'user', id: 'alice', publicKey, notAfter: later, session }),
  bot: () => ({ type: 'bot', id: 'ci', publicKey, notAfter: later, session }),
  agent: () => ({
    type: 'agent',
    id,
    publicKey,
    notAfter: later,
    generation: 3,
    roles: ['Kube', 'Discovery'],
    joinToken: 'ab'.repeat(32),
  }),
  svc: () => ({ type: 'svc', id, publicKey, notAfter: later, generation: 1, roles: ['Proxy'] }),
};

/** A certificate with whatever names, as a forger with the authority's key would make it. */
async function forged(
  authority: Authority,
  names: JsonGeneralName[],
  usages = [clientAuth],
  isCa = false,
): Promise<X509Certificate> {
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: ['alice'] }, { O: ['system:masters'] }],
    issuer: new X509Certificate(authority.certificate).subject,
    serialNumber: '01',
    notBefore: now,
    notAfter: later,
    publicKey: await verifyingKeyFrom(publicKey),
    signingKey: await signingKeyFrom(authority.privateKey.reveal()),
    signingAlgorithm,
    extensions: [
      new BasicConstraintsExtension(isCa),
      new ExtendedKeyUsageExtension(usages),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return new X509Certificate(certificate.toString('pem'));
}

const uri = (value: string): JsonGeneralName => ({ type: 'url', value });
const alice = uri('spiffe://postern/user/alice');
const aliceSession = uri(`urn:postern:session:${session}`);

describe('a principal', () => {
  test.each(['user', 'bot', 'agent', 'svc'] as const)(
    'of type %s is read back from its own certificate',
    async (type) => {
      const spec = specs[type]();
      const pem = await issueCertificate(type === 'user' || type === 'bot' ? user : host, spec);
      const principal = principalOf(new X509Certificate(pem), trust, { at: now });
      expect(principal).toMatchObject({ type, id: spec.id, clusterName: 'postern', roles: spec.roles ?? [] });
      expect(principal.session).toBe(spec.session);
      expect(principal.generation).toBe(spec.generation);
      expect(principal.joinToken).toBe(spec.joinToken);
      expect(principal.notAfter).toEqual(later);
      expect(principal.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    },
  );

  test.each(['alice@example.com', 'Ünïcode, "quoted"', 'a/b', "it's", 'a'.repeat(253), '%41', '..'])(
    'named %s survives the way through a certificate',
    async (name) => {
      const pem = await issueCertificate(user, { ...specs.user(), id: name });
      expect(principalOf(new X509Certificate(pem), trust, { at: now }).id).toBe(name);
    },
  );

  test.each(['', 'a'.repeat(254), 'a\nb', '\u{d800}'])('named %j gets no certificate', async (name) => {
    await expect(issueCertificate(user, { ...specs.user(), id: name })).rejects.toThrow('identity');
  });
});

describe('the matrix of authorities and types', () => {
  const types = ['user', 'bot', 'agent', 'svc'] as const;
  const issuers = ['host', 'user', 'foreign host', 'foreign user'] as const;
  const cases = issuers.flatMap((issuer) => types.map((type) => ({ issuer, type })));

  test.each(cases)(
    'a $type certificate signed by the $issuer CA is judged by its signer (C-02)',
    async ({ issuer, type }) => {
      const authority = { host, user, 'foreign host': foreignHost, 'foreign user': foreignUser }[issuer];
      const spec = specs[type]();
      const names = [
        uri(`spiffe://postern/${type}/${spec.id}`),
        ...(spec.session ? [aliceSession] : []),
        ...(spec.generation ? [uri(`urn:postern:generation:${spec.generation}`)] : []),
        ...(spec.roles ?? []).map((role) => uri(`urn:postern:role:${role}`)),
      ];
      const certificate = await forged(authority, names);
      const right = type === 'user' || type === 'bot' ? 'user' : 'host';
      if (issuer === right) expect(principalOf(certificate, trust, { at: now }).type).toBe(type);
      else expect(() => principalOf(certificate, trust, { at: now })).toThrow('not trusted');
    },
  );

  test('the issuing function refuses a type of the other authority', async () => {
    await expect(issueCertificate(host, specs.user())).rejects.toThrow('does not certify');
    await expect(issueCertificate(user, specs.agent())).rejects.toThrow('does not certify');
  });
});

describe('crafted names', () => {
  const cases: [string, () => JsonGeneralName[]][] = [
    ['no names at all', () => []],
    ['a name in the CN only', () => [aliceSession]],
    ['two principals', () => [alice, uri('spiffe://postern/user/admin'), aliceSession]],
    ['another cluster', () => [uri('spiffe://other/user/alice'), aliceSession]],
    ['an upper-case type', () => [uri('spiffe://postern/User/alice'), aliceSession]],
    ['an unknown type', () => [uri('spiffe://postern/admin/alice'), aliceSession]],
    ['a second path segment', () => [uri('spiffe://postern/user/alice/admin'), aliceSession]],
    ['a needless escape', () => [uri('spiffe://postern/user/%61lice'), aliceSession]],
    ['a lower-case escape', () => [uri('spiffe://postern/user/a%c3%bc'), aliceSession]],
    ['a broken escape', () => [uri('spiffe://postern/user/a%zz'), aliceSession]],
    ['an escaped NUL', () => [uri('spiffe://postern/user/alice%00'), aliceSession]],
    [
      'a comma that begins another name',
      () => [uri('spiffe://postern/user/x, URI:spiffe://postern/user/alice'), aliceSession],
    ],
    ['a quote', () => [uri('spiffe://postern/user/"alice"'), aliceSession]],
    [
      'a name smuggled in a DNS name',
      () => [alice, aliceSession, { type: 'dns', value: 'x, URI:urn:postern:role:Proxy' }],
    ],
    ['a directory name', () => [alice, aliceSession, { type: 'dn', value: 'CN=admin' }]],
    ['an e-mail address', () => [alice, aliceSession, { type: 'email', value: 'a@b.c' }]],
    ['a query', () => [uri('spiffe://postern/user/alice?x'), aliceSession]],
    ['user info', () => [uri('spiffe://x@postern/user/alice'), aliceSession]],
    ['a port', () => [uri('spiffe://postern:1/user/alice'), aliceSession]],
    ['no session', () => [alice]],
    [
      'two sessions',
      () => [alice, aliceSession, uri('urn:postern:session:0198a000-0000-7000-8000-000000000009')],
    ],
    ['a session that is no UUID', () => [alice, uri('urn:postern:session:x')]],
    ['roles on a user', () => [alice, aliceSession, uri('urn:postern:role:Auth')]],
    ['a join token on a user', () => [alice, aliceSession, uri(`urn:postern:token:${'ab'.repeat(32)}`)]],
    ['a generation on a user', () => [alice, aliceSession, uri('urn:postern:generation:1')]],
    ['an unknown claim', () => [alice, aliceSession, uri('urn:postern:admin:yes')]],
    ['a foreign URI', () => [alice, aliceSession, uri('https://example.com')]],
  ];

  test.each(cases)('with %s are refused (C-03)', async (_, names) => {
    const certificate = await forged(user, names());
    expect(() => principalOf(certificate, trust, { at: now })).toThrow('not trusted');
  });

  test.each([
    [
      'an agent with a role of the control plane',
      ['spiffe://postern/agent/a', 'urn:postern:generation:1', 'urn:postern:role:Proxy'],
    ],
    [
      'a service without a role of the control plane',
      ['spiffe://postern/svc/a', 'urn:postern:generation:1', 'urn:postern:role:Kube'],
    ],
    ['an agent without roles', ['spiffe://postern/agent/a', 'urn:postern:generation:1']],
    [
      'an agent with a session',
      ['spiffe://postern/agent/a', `urn:postern:session:${session}`, 'urn:postern:role:Kube'],
    ],
    ['generation zero', ['spiffe://postern/agent/a', 'urn:postern:generation:0', 'urn:postern:role:Kube']],
    [
      'a role twice',
      [
        'spiffe://postern/agent/a',
        'urn:postern:generation:1',
        'urn:postern:role:Kube',
        'urn:postern:role:Kube',
      ],
    ],
  ])('of %s are refused', async (_, names) => {
    const certificate = await forged(host, names.map(uri));
    expect(() => principalOf(certificate, trust, { at: now })).toThrow('not trusted');
  });
});

describe('a certificate chain', () => {
  test('that goes through a leaf is refused (C-04)', async () => {
    const leaf = await issueCertificate(user, specs.user());
    const asAuthority = {
      ...user,
      certificate: leaf,
      privateKey: { reveal: () => leafKey },
    } as unknown as Authority;
    const certificate = await forged(asAuthority, [alice, aliceSession]);
    expect(() => principalOf(certificate, trust, { at: now })).toThrow('none of our authorities');
  });

  test('of an authority used as a leaf is refused', async () => {
    const certificate = await forged(user, [alice, aliceSession], [clientAuth], true);
    expect(() => principalOf(certificate, trust, { at: now })).toThrow('certificate of an authority');
    expect(() => principalOf(new X509Certificate(host.certificate), trust, { at: now })).toThrow(
      'not trusted',
    );
  });

  test('for servers only is refused from a client, and the reverse (C-04)', async () => {
    const server = await forged(user, [alice, aliceSession], [serverAuth]);
    expect(() => principalOf(server, trust, { at: now })).toThrow('not for use as a client');
    const client = new X509Certificate(await issueCertificate(user, specs.user()));
    expect(() => principalOf(client, trust, { at: now, purpose: 'server' })).toThrow(
      'not for use as a server',
    );
  });

  test('that is expired or not yet valid is refused', async () => {
    const certificate = new X509Certificate(await issueCertificate(user, specs.user()));
    expect(() => principalOf(certificate, trust, { at: later })).toThrow('expired');
    expect(() => principalOf(certificate, trust, { at: new Date(now.getTime() - 120_000) })).toThrow(
      'not valid yet',
    );
  });

  test('is backdated by a minute, and never outlives its authority', async () => {
    const certificate = new X509Certificate(
      await issueCertificate(user, { ...specs.user(), notAfter: new Date('2099-01-01') }),
    );
    expect(certificate.validFromDate).toEqual(new Date(now.getTime() - 60_000));
    expect(certificate.validToDate).toEqual(new X509Certificate(user.certificate).validToDate);
  });

  test('has a serial number of 128 random bits', async () => {
    const serials = await Promise.all(
      [1, 2, 3].map(async () => new X509Certificate(await issueCertificate(user, specs.user())).serialNumber),
    );
    expect(new Set(serials).size).toBe(3);
    for (const serial of serials) expect(serial.length).toBeGreaterThan(24);
  });

  test('carries a server name for agents only when asked for', async () => {
    const pem = await issueCertificate(host, {
      ...specs.agent(),
      dnsNames: [id, 'localhost'],
      ipAddresses: ['127.0.0.1', '::1'],
    });
    const certificate = new X509Certificate(pem);
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.checkIP('::1')).toBe('::1');
    expect(principalOf(certificate, trust, { at: now, purpose: 'server' }).roles).toEqual([
      'Kube',
      'Discovery',
    ]);
    expect(publicKeyOf(leafKey)).toBe(certificate.publicKey.export({ type: 'spki', format: 'pem' }));
  });

  test('of an expired authority is refused', async () => {
    const certificate = new X509Certificate(
      await issueCertificate(user, { ...specs.user(), notAfter: new Date('2099-01-01') }),
    );
    expect(() => principalOf(certificate, trust, { at: new Date('2098-01-01') })).toThrow('expired');
  });
});
