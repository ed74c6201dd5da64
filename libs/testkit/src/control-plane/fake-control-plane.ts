import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isPlainObject } from '@postern/core';
import {
  createAuthority,
  formatIdentityFile,
  generateKeyPair,
  issueCertificate,
  principalOf,
  readCsr,
} from '@postern/identity';
import { inventoryReply } from './fake-inventory.ts';
import { ok, problemBody, type Received, refusal, type Reply } from './fake-replies.ts';
import { resourceReply } from './fake-resources.ts';

/** A request that the fake received. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly commandId: string | undefined;
  readonly ifMatch: string | undefined;
  readonly user: string | undefined;
}

/** A resource as the fake keeps it. */
export interface FakeResource {
  readonly kind: string;
  readonly version: string;
  readonly metadata: { readonly name: string; readonly revision?: string; readonly [field: string]: unknown };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** A served cluster as the fake lists it. */
export interface FakeCluster {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The control plane as its clients see it: HTTPS with client certificates, the paths of the API, problem documents. It
 * keeps resources in memory and checks nothing about them.
 */
export interface FakeControlPlane extends AsyncDisposable {
  /** `host:port` */
  readonly proxy: string;
  readonly clusterName: string;
  readonly caPem: string;
  readonly requests: ReceivedRequest[];
  readonly resources: Map<string, FakeResource>;
  staticTokens: { readonly id: string; readonly roles: readonly string[] }[];
  clusters: FakeCluster[];
  /** What the bus was told of the next agent that is revoked. */
  revokedOnBus: 'told' | 'pending' | 'cannot-be-told';
  /** Answers to reads of other paths, by path without its query, or with it where that is there too. */
  readonly replies: Map<string, unknown>;
  /** Groups of the user that asks who it is. */
  kubernetesGroups: string[];
  /** What goes wrong with the next requests: a status, or the connection is cut after the work was done. */
  readonly faults: ('cut' | number)[];
  /** PEM text of an identity file for a user. */
  identity(user: string, options?: { readonly ttlMs?: number; readonly proxy?: string }): Promise<string>;
}

const hourMs = 3_600_000;

/** Starts a fake control plane on a free port of the loopback interface. */
export async function fakeControlPlane(clusterName = 'example.test'): Promise<FakeControlPlane> {
  const clock = () => new Date();
  const hostCa = await createAuthority({ use: 'host', clusterName, clock });
  const userCa = await createAuthority({ use: 'user', clusterName, clock });
  const trust = { clusterName, hostCa: hostCa.certificate, userCa: userCa.certificate };
  const serverKey = await generateKeyPair();
  const serverCertificate = await issueCertificate(hostCa, {
    type: 'svc',
    id: 'edge-1',
    publicKey: serverKey.publicKey,
    notAfter: new Date(Date.now() + hourMs),
    generation: 1,
    roles: ['Proxy'],
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  const certify = (user: string, publicKey: string, ttlMs: number) =>
    issueCertificate(userCa, {
      type: 'user',
      id: user,
      publicKey,
      notAfter: new Date(Date.now() + ttlMs),
      session: '0190a000-0000-7000-8000-000000000001',
    });
  const tls = { key: serverKey.privateKey, cert: serverCertificate, ca: userCa.certificate };
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false });
  const address = await new Promise<AddressInfo>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address() as AddressInfo));
  });
  const plane: FakeControlPlane = {
    proxy: `127.0.0.1:${address.port}`,
    clusterName,
    caPem: hostCa.certificate,
    requests: [],
    resources: new Map(),
    staticTokens: [],
    clusters: [],
    revokedOnBus: 'told',
    replies: new Map(),
    kubernetesGroups: ['postern:admins'],
    faults: [],
    async identity(user, { ttlMs = hourMs, proxy = plane.proxy } = {}) {
      const pair = await generateKeyPair();
      const certificate = await certify(user, pair.publicKey, ttlMs);
      return formatIdentityFile({
        key: pair.privateKey,
        certificate,
        hostCa: hostCa.certificate,
        clusterName,
        proxy,
      });
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const signed = async (user: string, body: unknown) => {
    const { csr, ttlSeconds } = body as { csr: string; ttlSeconds: number };
    const { publicKey } = await readCsr(csr);
    const certificate = await certify(user, publicKey, ttlSeconds * 1000);
    const notAfter = new X509Certificate(certificate).validToDate.toISOString();
    return { user, clusterName, certificate, hostCa: hostCa.certificate, notAfter };
  };
  const userOf = (socket: TLSSocket) => {
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    return certificate ? principalOf(certificate, trust).id : undefined;
  };
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    void answer({ plane, signed, user: userOf(request.socket as TLSSocket) }, request, response);
  });
  return plane;
}

interface Serving {
  readonly plane: FakeControlPlane;
  readonly user: string | undefined;
  signed(user: string, body: unknown): Promise<unknown>;
}

async function answer(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { plane, user } = serving;
  const { method = 'GET', url = '/' } = request;
  const header = (name: string) => request.headers[name] as string | undefined;
  const body = await bodyOf(request);
  plane.requests.push({
    method,
    path: url,
    commandId: header('postern-command-id'),
    ifMatch: header('if-match'),
    user,
  });
  const fault = plane.faults.shift();
  if (typeof fault === 'number') return problem(response, fault, ['test.fault', 'a fault was asked for']);
  const reply = await replyTo(serving, { method, url, body, ifMatch: header('if-match') });
  if (fault === 'cut') return void request.socket.destroy();
  if (Array.isArray(reply.body)) return json(response, reply.status, reply.body);
  const isProblem = isPlainObject(reply.body) && typeof reply.body['detail'] === 'string';
  response.setHeader('content-type', isProblem ? 'application/problem+json' : 'application/json');
  json(response, reply.status, reply.body);
}

async function replyTo(serving: Serving, received: Received): Promise<Reply> {
  const { plane, user } = serving;
  const { pathname, searchParams } = new URL(received.url, 'https://fake');
  if (pathname === '/webapi/ping') return ok({ cluster_name: plane.clusterName, server_version: '0.1.0' });
  if (user === undefined) return refusal(401, 'http.unauthenticated', 'a valid client certificate is needed');
  const written = plane.replies.get(received.url) ?? plane.replies.get(pathname);
  if (written !== undefined) return ok(written);
  if (pathname.startsWith('/v1/audit/requests/'))
    return refusal(404, 'inventory.request_not_found', 'no such request was recorded');
  if (pathname.startsWith('/v1/resources/'))
    return resourceReply(plane, received, pathname.split('/').slice(3).map(decodeURIComponent));
  if (pathname === '/v1/auth/sign')
    return ok(await serving.signed((received.body as { user: string }).user, received.body));
  if (pathname === '/v1/certificates') return ok(await serving.signed(user, received.body));
  if (pathname === '/v1/static_tokens') return ok({ tokens: plane.staticTokens });
  if (pathname === '/v1/me') return ok(me(plane, user));
  if (pathname === '/v1/status') {
    return ok({ clusterName: plane.clusterName, version: '0.1.0', caPins: [`sha256:${'ab'.repeat(32)}`] });
  }
  const [, agentId] = /^\/v1\/agents\/([^/]+)\/revoke$/.exec(pathname) ?? [];
  if (agentId !== undefined) return revokeReply(plane, decodeURIComponent(agentId));
  return inventoryReply(plane, pathname, searchParams);
}

function me(plane: FakeControlPlane, user: string): object {
  const traits = { kubernetes_groups: plane.kubernetesGroups };
  const spec = plane.resources.get(`user/${user}`)?.spec;
  const roles = Array.isArray(spec?.['roles']) ? spec['roles'] : ['access', 'editor'];
  return {
    user,
    clusterName: plane.clusterName,
    roles,
    traits,
    kubernetesUsers: [],
    kubernetesGroups: plane.kubernetesGroups,
  };
}

function revokeReply({ revokedOnBus }: FakeControlPlane, agentId: string): Reply {
  if (agentId !== 'a1') return refusal(404, 'join.no_such_agent', `no agent ${agentId} has joined`);
  return ok({ agentId, bus: revokedOnBus, credentialsEnd: '2026-11-22T02:00:00.000Z' });
}

function problem(response: ServerResponse, status: number, words: readonly [string, string]): void {
  response.setHeader('content-type', 'application/problem+json');
  json(response, status, problemBody(status, words));
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status;
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? undefined : (JSON.parse(text) as unknown);
}
