import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, type ConnectionOptions, createServer, type Server, type TLSSocket } from 'node:tls';
import { type Clock, messageOf, systemClock } from '@postern/core';
import {
  type Authority,
  clientTls,
  createAuthority,
  followIdentity,
  generateKeyPair,
  HeldIdentity,
  type IdentityMaterial,
  issueCertificate,
  peerOf,
  serverTls,
} from '../src/index.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let host: Authority;
let user: Authority;
let service: HeldIdentity;
let agent: HeldIdentity;
let alice: IdentityMaterial;
let server: Server;
let now: Clock = systemClock;
const inOneHour = () => new Date(Date.now() + 3_600_000);

beforeAll(async () => {
  host = await createAuthority({ use: 'host', clusterName: 'postern', clock: systemClock });
  user = await createAuthority({ use: 'user', clusterName: 'postern', clock: systemClock });
  service = new HeldIdentity(await hostMaterial('svc', 'join-1', 'Auth'));
  agent = new HeldIdentity(await hostMaterial('agent', 'agent-1', 'Kube'));
  const pair = await generateKeyPair();
  const session = '0198a000-0000-7000-8000-000000000001';
  const spec = {
    type: 'user',
    id: 'alice',
    publicKey: pair.publicKey,
    notAfter: inOneHour(),
    session,
  } as const;
  alice = material(pair.privateKey, await issueCertificate(user, spec));
  server = createServer(serverTls(service, 'host'), (socket) => socket.end(answer(socket)));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => void server.close());

function answer(socket: TLSSocket): string {
  socket.on('error', () => {});
  try {
    return peerOf(socket, service.trust(), now())?.principal.id ?? 'nobody';
  } catch (error) {
    return messageOf(error);
  }
}

function material(key: string, certificate: string): IdentityMaterial {
  return { key, certificate, hostCa: host.certificate, userCa: user.certificate, clusterName: 'postern' };
}

async function hostMaterial(type: 'svc' | 'agent', id: string, role: string): Promise<IdentityMaterial> {
  const { privateKey, publicKey } = await generateKeyPair();
  const spec = {
    type,
    id,
    publicKey,
    notAfter: inOneHour(),
    generation: 1,
    roles: [role],
    dnsNames: ['localhost'],
  };
  return material(privateKey, await issueCertificate(host, spec));
}

async function call(options: ConnectionOptions): Promise<{ text: string; isResumed: boolean }> {
  const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, ...options });
  let text = '';
  let isResumed = false;
  socket.on('secureConnect', () => (isResumed = socket.isSessionReused()));
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(socket, 'close');
  return { text, isResumed };
}

const toService = { type: 'svc', role: 'Auth' } as const;

describe('a server', () => {
  test('knows who is at the other end', async () => {
    expect((await call(clientTls(agent, { expect: toService }))).text).toBe('agent-1');
  });

  test('lets a connection without a certificate in as nobody', async () => {
    expect((await call({ ca: host.certificate, servername: 'localhost' })).text).toBe('nobody');
  });

  test('for services refuses the certificate of a user', async () => {
    const { key, certificate: cert, hostCa: ca } = alice;
    expect((await call({ key, cert, ca, servername: 'localhost' })).text).toContain('could not be verified');
  });

  test('refuses a certificate from the moment it expires', async () => {
    now = () => new Date(Date.now() + 7_200_000);
    try {
      expect((await call(clientTls(agent, { expect: toService }))).text).toContain('expired');
    } finally {
      now = systemClock;
    }
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('never resumes a session of %s', async (version) => {
    let session: Buffer | undefined;
    const options = {
      ...clientTls(agent, { servername: 'localhost', expect: toService }),
      minVersion: version,
      maxVersion: version,
    };
    const socket = connect({ port: (server.address() as AddressInfo).port, ...options });
    socket.on('session', (found: Buffer) => (session = found));
    socket.resume();
    await once(socket, 'close');
    const again = await call({ ...options, ...(session ? { session } : {}) });
    expect(again.isResumed).toBe(false);
    expect(again.text).toBe('agent-1');
  });

  test('refuses TLS 1.1', async () => {
    const options = {
      ...clientTls(agent, { expect: toService }),
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
    } as const;
    await expect(call(options)).rejects.toThrow();
  });

  test('shows its new certificate after a renewal', async () => {
    const stop = followIdentity(server, service, 'host');
    service.replace(await hostMaterial('svc', 'join-2', 'Auth'));
    const renewed = clientTls(agent, { expect: { type: 'svc', id: 'join-2' } });
    expect((await call(renewed)).text).toBe('agent-1');
    stop();
  });
});

describe('a client', () => {
  test.each([
    ['another type', { type: 'agent' }],
    ['another role', { type: 'svc', role: 'Proxy' }],
    ['another id', { type: 'svc', id: 'join-9' }],
  ] as const)('that expects %s does not talk to the server', async (_, expected) => {
    await expect(call(clientTls(agent, { expect: expected }))).rejects.toThrow('another server answered');
  });

  test('trusts the host CA alone', async () => {
    const foreign = await createAuthority({ use: 'host', clusterName: 'postern', clock: systemClock });
    const options = { ...clientTls(agent, { expect: toService }), ca: foreign.certificate };
    await expect(call(options)).rejects.toThrow(/self-signed|unable to verify/);
  });
});
