import { describe, expect, test } from 'vitest';
import {
  decodeKubeconfig,
  formatKubeconfig,
  InvalidKubeconfig,
  type Kubeconfig,
  parseKubeconfig,
} from './kubeconfig.ts';

// A self-signed certificate with its key and another key, made for this file only.
const certificate =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJlRENDQVIyZ0F3SUJBZ0lVZThCdHUxRnJqU3R4azYxRUdjcHJCbW5henhFd0NnWUlLb1pJemowRUF3SXcKRURFT01Bd0dBMVVFQXd3RllXZGxiblF3SUJjTk1qWXhNVEl4TURNd01qVTVXaGdQTWpFeU5qRXdNamd3TXpBeQpOVGxhTUJBeERqQU1CZ05WQkFNTUJXRm5aVzUwTUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowREFRY0RRZ0FFCjhCSmRoWnY5cXZEenFWUXdiYW9mcFRKUlJzY3IxZ1R4cTIvT1ZuTmN3TFVGRHpnZ1AydVhKODlzRzg2TEw3Vy8KRHBIeXdUUzdPdVVvSmVpVmJVUUlNcU5UTUZFd0hRWURWUjBPQkJZRUZBZ0xXa2ZBNTJsY1M4WFRLREZOaXFFawptV3JNTUI4R0ExVWRJd1FZTUJhQUZBZ0xXa2ZBNTJsY1M4WFRLREZOaXFFa21Xck1NQThHQTFVZEV3RUIvd1FGCk1BTUJBZjh3Q2dZSUtvWkl6ajBFQXdJRFNRQXdSZ0loQU5COE9HVXZmMWV4RlhjNWt6a3ViVnhxRFltbDlDT2sKcHdRTEJ5N0xHY0JuQWlFQWpoT3NleUxESDdrM1BFcCtnREVVRWpuNmFOVjc3clBhMXpBYmtvOU8wMmM9Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K';
const key =
  'LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JR0hBZ0VBTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSEJHMHdhd0lCQVFRZ1VrL0dPbHlhWFVQTWM0dzQKbXVCNGlUdXVRWit2Ni95Y3Z4cEdjMHZDNVRLaFJBTkNBQVR3RWwyRm0vMnE4UE9wVkRCdHFoK2xNbEZHeHl2VwpCUEdyYjg1V2MxekF0UVVQT0NBL2E1Y256Mndiem9zdnRiOE9rZkxCTkxzNjVTZ2w2SlZ0UkFneQotLS0tLUVORCBQUklWQVRFIEtFWS0tLS0tCg==';
const otherKey =
  'LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JR0hBZ0VBTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSEJHMHdhd0lCQVFRZ2ppSXF1c3FMME85ZUM0UncKZUZINit5QStWKzVmMU5rdWMydjlQUkZodTZTaFJBTkNBQVRYdWZzdlRoSCtKSW9RczhucVVRbEdZNFVMbXZuTwpYR2xiQktxWVU1bTBaYTBPMEltMXBWTml5ckcvcFNUQlBYQmdXVWgyczNZcm9Kczd0VytOS0s1YQotLS0tLUVORCBQUklWQVRFIEtFWS0tLS0tCg==';

const target = { server: 'https://api.example.com:6443', 'certificate-authority-data': certificate };

interface Parts {
  readonly cluster?: Record<string, unknown>;
  readonly user?: Record<string, unknown>;
  readonly top?: Record<string, unknown>;
}

/** A kubeconfig file in JSON, which is YAML too. */
function file({ cluster = target, user = { token: 't0ken' }, top = {} }: Parts): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
    ...top,
  });
}

function parse(parts: Parts): Kubeconfig {
  return parseKubeconfig(file(parts), { allowLoopback: false });
}

describe('a kubeconfig', () => {
  test('is read with a token', () => {
    expect(parse({})).toMatchObject({ server: 'https://api.example.com:6443', token: 't0ken' });
  });

  test('is read with a client certificate', () => {
    const { clientCertificate, clientKey } = parse({
      user: { 'client-certificate-data': certificate, 'client-key-data': key },
    });
    expect(clientCertificate).toContain('BEGIN CERTIFICATE');
    expect(clientKey).toContain('BEGIN PRIVATE KEY');
  });

  test('is read with a user name and password', () => {
    expect(parse({ user: { username: 'a', password: 'p:w' } }).basic).toEqual({
      username: 'a',
      password: 'p:w',
    });
  });

  test('keeps nothing of the contexts that are not selected (K-06)', () => {
    const text = file({
      top: {
        clusters: [
          { name: 'c', cluster: { ...target, extensions: [{ name: 'x' }] } },
          { name: 'evil', cluster: { 'proxy-url': 'socks5://x' } },
        ],
        users: [
          { name: 'u', user: { token: 'a' } },
          { name: 'evil', user: { exec: { command: '/bin/sh' }, token: 'other-secret' } },
        ],
        preferences: {},
      },
    });
    const written = formatKubeconfig(parseKubeconfig(text, { allowLoopback: false }));
    expect(written).not.toMatch(/evil|exec|proxy|extensions|other-secret/);
  });

  test('says the same after it was written and read again', () => {
    const full = parse({
      cluster: { ...target, 'tls-server-name': 'api.internal' },
      user: { 'client-certificate-data': certificate, 'client-key-data': key, token: 'a' },
    });
    expect(parseKubeconfig(formatKubeconfig(full), { allowLoopback: false })).toEqual(full);
  });

  test('without current-context is read when there is one context only', () => {
    expect(parse({ top: { 'current-context': '' } }).token).toBe('t0ken');
  });

  test('on the loopback interface is read where that is allowed', () => {
    const text = file({ cluster: { server: 'https://127.0.0.1:6443/' } });
    expect(parseKubeconfig(text, { allowLoopback: true }).server).toBe('https://127.0.0.1:6443');
  });

  test('keeps the path of its server', () => {
    expect(parse({ cluster: { server: 'https://rancher.example.com/k8s/clusters/c-1/' } }).server).toBe(
      'https://rancher.example.com/k8s/clusters/c-1',
    );
  });
});

const user = (fields: Record<string, unknown>): Parts => ({ user: { token: 't', ...fields } });
const cluster = (fields: Record<string, unknown>): Parts => ({ cluster: { ...target, ...fields } });
const server = (text: unknown): Parts => ({ cluster: { server: text } });
const entry = (name: string) => ({ name, cluster: target });

describe('a refused kubeconfig', () => {
  const cases: Record<string, [parts: Parts, why: string]> = {
    'an exec plugin (K-01)': [
      user({ exec: { command: '/bin/sh', args: ['-c', 'touch /tmp/x'] } }),
      'exec plugins are not allowed',
    ],
    'an empty exec plugin (K-01)': [user({ exec: {} }), 'exec plugins are not allowed'],
    'a gcp auth-provider (K-02)': [
      user({ 'auth-provider': { name: 'gcp', config: { 'cmd-path': '/bin/sh' } } }),
      'auth-provider',
    ],
    'an oidc auth-provider (K-02)': [
      user({ 'auth-provider': { name: 'oidc' } }),
      'auth-provider is not allowed',
    ],
    'an authority file (K-03)': [
      cluster({ 'certificate-authority': '/etc/shadow' }),
      'certificate-authority names a file',
    ],
    'a key file (K-03)': [user({ 'client-key': '/root/.ssh/id_rsa' }), 'client-key names a file'],
    'a certificate file': [
      user({ 'client-certificate': '/proc/self/environ' }),
      'client-certificate names a file',
    ],
    'a token file (K-03)': [
      user({ tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token' }),
      'tokenFile names a file',
    ],
    'impersonation of a user': [user({ as: 'system:admin' }), 'impersonation'],
    'impersonation of groups': [user({ 'as-groups': ['system:masters'] }), 'impersonation'],
    'a proxy (K-04)': [cluster({ 'proxy-url': 'socks5://internal:1080' }), 'proxy-url is not allowed'],
    'no TLS verification (K-05)': [
      cluster({ 'insecure-skip-tls-verify': true }),
      'insecure-skip-tls-verify is not allowed',
    ],
    'no TLS verification as text': [
      cluster({ 'insecure-skip-tls-verify': 'true' }),
      'insecure-skip-tls-verify',
    ],
    'a strange TLS server name': [
      cluster({ 'tls-server-name': 'a b' }),
      'tls-server-name must be a host name',
    ],
    'an authority that is no certificate': [
      cluster({ 'certificate-authority-data': 'aGVsbG8=' }),
      'holds no certificate',
    ],
    'an authority that is no base64': [cluster({ 'certificate-authority-data': '!!' }), 'must be base64'],
    'too many authorities (K-05)': [
      cluster({ 'certificate-authority-data': Buffer.from(atob(certificate).repeat(65)).toString('base64') }),
      'holds more than 64 certificates',
    ],
    'a certificate without key': [{ user: { 'client-certificate-data': certificate } }, 'belong together'],
    'a key without certificate': [{ user: { 'client-key-data': key } }, 'belong together'],
    'a key of another certificate': [
      { user: { 'client-certificate-data': certificate, 'client-key-data': otherKey } },
      'is not the private key',
    ],
    'no credentials': [{ user: {} }, 'its user has no credentials'],
    'a token with a line break': [user({ token: 'a\nX-Evil: 1' }), 'token must be printable'],
    'a token that is a number': [user({ token: 123 }), 'token must be a text'],
    'a user name with a colon': [{ user: { username: 'a:b', password: 'c' } }, 'nor the username a colon'],
    http: [server('http://169.254.169.254/latest/meta-data/'), 'server must start with https://'],
    'the metadata service (K-04)': [server('https://169.254.169.254/'), 'link-local'],
    'a decimal address': [server('https://2852039166/'), 'link-local'],
    'a hexadecimal address': [server('https://0xa9fea9fe/'), 'link-local'],
    'an octal address': [server('https://0251.0376.0251.0376/'), 'link-local'],
    'a short address': [server('https://169.16689662/'), 'link-local'],
    'a full-width address': [server('https://１６９.254.169.254/'), 'link-local'],
    'a mapped address': [server('https://[::ffff:169.254.169.254]:6443'), 'link-local'],
    'a link-local address': [server('https://[fe80::1]'), 'link-local'],
    'an unspecified address': [server('https://0.0.0.0:6443'), 'link-local'],
    'a metadata name': [server('https://metadata.google.internal'), 'link-local'],
    localhost: [server('https://localhost:6443'), 'loopback'],
    'a loopback address in hexadecimal': [server('https://0x7f000001'), 'loopback'],
    'a mapped loopback address': [server('https://[::ffff:127.0.0.1]'), 'loopback'],
    'a unix socket': [server('unix:///var/run/docker.sock'), 'https://'],
    'a file': [server('file:///etc/passwd'), 'https://'],
    'a password in the URL': [server('https://u:p@api.example.com'), 'user name or password'],
    'a query': [server('https://api.example.com/?a=b'), 'query or fragment'],
    'blanks in the URL': [server(' https://api.example.com'), 'must be a URL'],
    'a line break in the URL': [server('https://api.example\n.com'), 'must be a URL'],
    'no scheme': [server('api.example.com:6443'), 'https://'],
    'no server': [server(undefined), 'its cluster has no server'],
    'a server that is a list': [server(['https://a']), 'server must be a text'],
    'a context that is missing': [
      { top: { 'current-context': 'other' } },
      'there is no context named "other"',
    ],
    'a cluster that is missing': [{ top: { clusters: [] } }, 'there is no cluster named "c"'],
    'a user that is missing': [{ top: { users: [] } }, 'there is no user named "u"'],
    'two clusters of one name (K-06)': [
      { top: { clusters: [entry('c'), entry('c')] } },
      'there are several clusters named "c"',
    ],
    'no context': [{ top: { contexts: [], 'current-context': undefined } }, 'it has no current-context'],
    'several contexts and no current one (K-06)': [
      { top: { 'current-context': '', contexts: [{ name: 'a' }, { name: 'b' }] } },
      'it has no current-context',
    ],
    'another kind': [{ top: { kind: 'Pod' } }, 'its kind must be Config'],
    'clusters that are no list': [{ top: { clusters: { c: target } } }, 'clusters must be a list'],
  };

  test.each(Object.entries(cases))('is one with %s', (_, [parts, why]) => {
    const error = thrownBy(() => parse(parts));
    expect(InvalidKubeconfig.is(error)).toBe(true);
    expect((error as Error).message).toContain(why);
    expect((error as Error).message).not.toContain('\n');
  });

  test('is one with an alias (K-07)', () => {
    expect(() => parseKubeconfig('a: &x {}\nb: *x', { allowLoopback: true })).toThrow(
      'anchors are not allowed',
    );
  });

  test('is one of several documents', () => {
    expect(() => parseKubeconfig('a: 1\n---\nb: 2', { allowLoopback: true })).toThrow(
      'it must be one mapping',
    );
  });
});

describe('base64 of a kubeconfig', () => {
  test('may be wrapped and hold blanks, as an unquoted shell substitution leaves it', () => {
    const wrapped = Buffer.from('kind: Config')
      .toString('base64')
      .replace(/(.{5})/g, '$1 \n\t');
    expect(decodeKubeconfig(` ${wrapped}\r\n`)).toBe('kind: Config');
  });

  const cases: Record<string, [text: string, why: string]> = {
    'the placeholder of the guide': ['KUBECONFIG', 'it must be base64'],
    'a file that was not encoded': ['apiVersion: v1\nkind: Config', 'it must be base64'],
    nothing: ['  ', 'it must be base64'],
    'bytes that are no text': [Buffer.from([0xff, 0xfe, 0x00]).toString('base64'), 'it is not UTF-8'],
    'too much': ['A'.repeat(600_000), 'it is larger than 256 KiB'],
  };
  test.each(Object.entries(cases))('is refused when it is %s (K-08)', (_, [text, why]) => {
    expect(() => decodeKubeconfig(text)).toThrow(why);
  });

  test('that was encoded twice is refused when it is parsed (K-08)', () => {
    const twice = Buffer.from(btoa(file({}))).toString('base64');
    expect(() => parseKubeconfig(decodeKubeconfig(twice), { allowLoopback: true })).toThrow(
      'it must be one mapping',
    );
  });
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new TypeError('nothing was thrown');
}
