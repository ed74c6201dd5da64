import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '@postern/core';
import {
  type Authority,
  caPin,
  createAuthority,
  generateKeyPair,
  HeldIdentity,
  type IdentityMaterial,
  issueCertificate,
  peerOf,
  readCsr,
  serverTls,
} from '@postern/identity';

/** A request as the control plane saw it. */
export interface Seen {
  readonly path: string;
  readonly body: {
    readonly csr: string;
    readonly joinId?: string;
    readonly token?: string;
    readonly views?: string[];
  };
  readonly caller: string | undefined;
}

/** What the next answers are, instead of the right ones. */
export type Trick =
  | 'drop the connection'
  | 'drop the answer'
  | 'refuse'
  | 'refuse a locked agent'
  | 'be busy'
  | 'answer nonsense';

/** A control plane that certifies everybody, over the real protocol. */
export interface ControlPlane extends AsyncDisposable {
  readonly url: string;
  readonly pin: string;
  readonly host: Authority;
  readonly seen: Seen[];
  readonly tricks: Trick[];
  lifeMs: number;
}

export interface ControlPlaneOptions {
  readonly type?: 'svc' | 'agent';
  readonly port?: number;
  readonly authorities?: { readonly host: Authority; readonly user: Authority };
}

export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const { type = 'svc', port = 0 } = options;
  const { host, user } = options.authorities ?? (await newAuthorities());
  const held = new HeldIdentity(await ownMaterial(host, user, type));
  const plane = { seen: [] as Seen[], tricks: [] as Trick[], lifeMs: 3_600_000 };
  const issue = async (id: string, roles: string[], generation: number, csr: string) => {
    const { publicKey } = await readCsr(csr);
    const notAfter = new Date(Date.now() + plane.lifeMs);
    const certificate = await issueCertificate(host, {
      type: 'agent',
      id,
      roles,
      generation,
      publicKey,
      notAfter,
    });
    const trust = { clusterName: 'postern', hostCa: host.certificate, userCa: user.certificate };
    const bus = { servers: ['nats://127.0.0.1:4222'], jwt: `jwt-${generation}` };
    return { agentId: id, roles, generation, certificate, notAfter: notAfter.toISOString(), bus, ...trust };
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const peer = peerOf(request.socket as TLSSocket, held.trust(), new Date());
    if (request.url === '/v1/trust') return reply(response, 200, { hostCa: host.certificate });
    const text = Buffer.concat(await request.toArray()).toString();
    const body = JSON.parse(text || '{}') as Seen['body'] & { roles: string[] };
    plane.seen.push({ path: request.url ?? '', body, caller: peer?.principal.id });
    const trick = plane.tricks.shift();
    if (trick === 'drop the connection' || trick === 'drop the answer') return void request.socket.destroy();
    if (trick === 'refuse') return reply(response, 403, { detail: 'the join was refused' });
    if (trick === 'refuse a locked agent')
      return reply(response, 403, { detail: 'this agent is locked', code: 'join.agent_locked' });
    if (trick === 'be busy') return reply(response, 503, { detail: 'not ready' });
    if (trick === 'answer nonsense') return reply(response, 200, { agentId: 'x' });
    const { principal } = peer ?? {};
    if (request.url === '/v1/agents/self')
      return principal ? reply(response, 200, {}) : reply(response, 401, { detail: 'who are you?' });
    if (!principal)
      return reply(response, 200, await issue(`agent-${plane.seen.length}`, body.roles, 1, body.csr));
    return reply(
      response,
      200,
      await issue(principal.id, [...principal.roles], principal.generation! + 1, body.csr),
    );
  };
  const server = createServer(serverTls(held, 'host'), (request, response) => void answer(request, response));
  server.on('tlsClientError', () => {});
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(plane, {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pin: caPin(host.certificate),
    host,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

async function newAuthorities(): Promise<NonNullable<ControlPlaneOptions['authorities']>> {
  const make = (use: 'host' | 'user') => createAuthority({ use, clusterName: 'postern', clock: systemClock });
  return { host: await make('host'), user: await make('user') };
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function ownMaterial(
  host: Authority,
  user: Authority,
  type: 'svc' | 'agent',
): Promise<IdentityMaterial> {
  const { privateKey: key, publicKey } = await generateKeyPair();
  const roles = type === 'svc' ? ['Auth'] : ['Kube'];
  const notAfter = new Date(Date.now() + 3_600_000);
  // Its names do not hold the address it is reached at: it is recognised by what it is.
  const certificate = await issueCertificate(host, {
    type,
    id: 'control-plane',
    roles,
    generation: 1,
    publicKey,
    notAfter,
  });
  return { key, certificate, hostCa: host.certificate, userCa: user.certificate, clusterName: 'postern' };
}
