import { createServer, type AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiServer, InvalidServer } from './api-server.ts';

let connections = 0;
const listener = createServer((socket) => {
  connections += 1;
  socket.destroy();
});
const portOf = () => (listener.address() as AddressInfo).port;

beforeAll(() => new Promise<void>((resolve) => void listener.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => listener.close(resolve)));

const nothing = { mayConnect: () => false };

describe('an API server at an address that must not be connected to', () => {
  test.each([
    'https://127.0.0.1:6443',
    'https://0x7f000001',
    'https://2130706433',
    'https://127.1',
    'https://[::1]:6443',
    'https://[::ffff:127.0.0.1]',
    'https://169.254.169.254/latest',
    'https://0.0.0.0',
    'https://[64:ff9b::a9fe:a9fe]',
  ])('is refused before anything is opened: %s', (server) => {
    expect(() => new ApiServer({ server }, nothing)).toThrow(/is not allowed/);
  });

  test('is refused when its name leads there, for requests and for streams of their own (K-04)', async () => {
    await using server = new ApiServer({ server: `https://localhost:${portOf()}` }, nothing);
    const asked = server.requests.request({ origin: server.origin, path: '/', method: 'GET' });
    await expect(asked).rejects.toMatchObject({ code: 'kube.address_refused' });
    const streamed = server.streams.request({ origin: server.origin, path: '/', method: 'GET' });
    await expect(streamed).rejects.toMatchObject({ code: 'kube.address_refused' });
    const socket = connect(server.tls);
    const refusal = await new Promise((resolve) => void socket.once('error', resolve));
    expect(refusal).toMatchObject({ code: 'kube.address_refused' });
    expect(connections).toBe(0);
  });

  test('is connected to where the operator allows it', async () => {
    const settings = { server: `https://localhost:${portOf()}` };
    await using server = new ApiServer(settings, { mayConnect: () => true });
    const asked = server.requests.request({ origin: server.origin, path: '/', method: 'GET' });
    await expect(asked).rejects.not.toMatchObject({ code: 'kube.address_refused' });
    expect(connections).toBeGreaterThan(0);
  });
});

test.each(['http://host', 'unix:///x', 'file:///etc/passwd', 'https://u:p@host', 'host', ''])(
  'nothing but an https URL is an API server: %j',
  (server) => {
    expect(() => new ApiServer({ server }, nothing)).toThrow(InvalidServer().message);
  },
);

describe('a key derived from credentials', () => {
  const server = 'https://10.0.0.1:6443';
  const keyOf = (settings: object, purpose = 'x') =>
    new ApiServer({ server, ...settings }, { mayConnect: () => true }).derivedKey(purpose).toString('hex');

  test('is the same wherever the same credentials are, and for one purpose only (L-04)', () => {
    expect(keyOf({ token: 'a' })).toBe(keyOf({ token: 'a' }));
    expect(keyOf({ token: 'a' })).not.toBe(keyOf({ token: 'b' }));
    expect(keyOf({ token: 'a' })).not.toBe(keyOf({ token: 'a' }, 'y'));
    expect(keyOf({ basic: { username: 'a', password: 'a' } })).not.toBe(keyOf({ token: 'a' }));
  });

  test('is of this process alone where the credentials are too, or there are none (L-04)', () => {
    expect(keyOf({})).not.toBe(keyOf({}));
    expect(keyOf({ tokenFile: '/nowhere' })).not.toBe(keyOf({ tokenFile: '/nowhere' }));
  });
});
