import { silentTelemetry } from '@postern/telemetry';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { jsonFetcher } from '../src/methods/kubernetes/fetch-json.ts';
import { issuerKeys } from '../src/methods/kubernetes/issuer-keys.ts';
import { rsaIssuer } from '../src/methods/kubernetes/testing.ts';
import { type IssuerServer, startIssuer } from './issuer-server.ts';

const telemetry = silentTelemetry();
const first = rsaIssuer('first');
const second = rsaIssuer('second');
const discoveryPath = '/.well-known/openid-configuration';
let scope: AsyncDisposableStack;
let server: IssuerServer;
let now: number;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  server = scope.use(await startIssuer());
  server.publish(first.jwks);
  now = Date.parse('2026-11-21T12:00:00Z');
});
afterEach(() => scope.disposeAsync());

function open(access: { allowLoopback?: boolean } = {}) {
  const fetchJson = scope.use(jsonFetcher({ allowLoopback: true, ca: server.ca, ...access }));
  return issuerKeys({ clock: () => new Date(now), fetchJson, telemetry });
}
const kids = async (keys: ReturnType<typeof open>, kid?: string, issuer = server.url) =>
  (await keys.of({ issuer }, kid)).map((key) => key.kid);

describe('the keys of an issuer', () => {
  test('are found by its discovery document, and remembered', async () => {
    const keys = open();
    expect(await kids(keys, 'first')).toEqual(['first']);
    now += 9 * 60_000;
    expect(await kids(keys, 'first')).toEqual(['first']);
    expect(server.asked).toEqual([discoveryPath, '/openid/v1/jwks']);
  });

  test('are asked for once, however many want them at the same time', async () => {
    const keys = open();
    await Promise.all(Array.from({ length: 50 }, () => kids(keys, 'first')));
    expect(server.asked).toHaveLength(2);
  });

  test('are asked for again when a token names a new one', async () => {
    const keys = open();
    await kids(keys, 'first');
    server.publish(second.jwks);
    now += 31_000;
    expect(await kids(keys, 'second')).toEqual(['second']);
  });

  test('are not asked for by every token that names a random one (J-09)', async () => {
    const keys = open();
    for (let at = 0; at < 100_000; at += 1) await keys.of({ issuer: server.url }, `random-${at}`);
    expect(server.asked).toHaveLength(2);
    now += 31_000;
    for (let at = 0; at < 1000; at += 1) await kids(keys, `other-${at}`);
    expect(server.asked).toHaveLength(4);
  });

  test('stay good for an hour while it does not answer, and no longer', async () => {
    const keys = open();
    await kids(keys, 'first');
    server.answers.clear();
    now += 59 * 60_000;
    expect(await kids(keys, 'first')).toEqual(['first']);
    now += 2 * 60_000;
    await expect(kids(keys, 'first')).rejects.toThrow('cannot be asked now');
  });

  const bad: [string, (server: IssuerServer) => void][] = [
    [
      'that redirects to http',
      ({ answers }) => answers.set(discoveryPath, { status: 302, location: 'http://127.0.0.1:1/' }),
    ],
    [
      'that redirects to itself',
      ({ answers, url }) => answers.set(discoveryPath, { status: 302, location: `${url}/x` }),
    ],
    [
      'that says it is another',
      ({ answers, url }) =>
        answers.set(discoveryPath, {
          body: JSON.stringify({ issuer: 'https://x', jwks_uri: `${url}/openid/v1/jwks` }),
        }),
    ],
    [
      'whose keys are elsewhere',
      ({ answers, url }) =>
        answers.set(discoveryPath, {
          body: JSON.stringify({ issuer: url, jwks_uri: 'https://169.254.169.254/jwks' }),
        }),
    ],
    [
      'whose keys are on another port',
      ({ answers, url }) =>
        answers.set(discoveryPath, {
          body: JSON.stringify({ issuer: url, jwks_uri: 'https://127.0.0.1:1/jwks' }),
        }),
    ],
    ['that sends 65 KiB', ({ answers }) => answers.set(discoveryPath, { body: ' '.repeat(65 * 1024) })],
    ['that sends no JSON', ({ answers }) => answers.set(discoveryPath, { body: '<html>' })],
    ['whose keys are no key set', ({ answers }) => answers.set('/openid/v1/jwks', { body: '{"keys":1}' })],
    ['that fails', ({ answers }) => answers.set(discoveryPath, { status: 500 })],
  ];
  test.each(bad)('of an issuer %s are not to be had, and nobody else is asked (J-09)', async (_, change) => {
    change(server);
    const keys = open();
    await expect(kids(keys, 'first')).rejects.toMatchObject({ code: 'join.issuer_unavailable' });
    await expect(kids(keys, 'first')).rejects.toMatchObject({ code: 'join.issuer_unavailable' });
    expect(server.asked.filter((path) => path === discoveryPath)).toHaveLength(1);
    expect(server.asked).not.toContain('/x');
  });

  test.each([
    'https://169.254.169.254',
    'https://[::ffff:169.254.169.254]',
    'https://[::ffff:127.0.0.1]:1',
    'https://metadata.google.internal',
    'https://localhost:1',
  ])('are not asked for at %s (J-09)', async (issuer) => {
    await expect(kids(open({ allowLoopback: false }), 'x', issuer)).rejects.toThrow('cannot be asked now');
    expect(telemetry.lines.join('\n')).toMatch(/must not be connected to|is not allowed/);
  });

  test('are not asked for on this machine unless the operator says so (J-09)', async () => {
    await expect(kids(open({ allowLoopback: false }), 'first')).rejects.toThrow('cannot be asked now');
    expect(server.asked).toEqual([]);
  });

  test('are taken from who shows a certificate of a known authority only', async () => {
    const stranger = scope.use(await startIssuer());
    stranger.publish(first.jwks);
    await expect(kids(open(), 'first', stranger.url)).rejects.toThrow('cannot be asked now');
    expect(stranger.asked).toEqual([]);
  });
});
