import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@postern/core';
import { createAuthority, generateKeyPair, issueCertificate } from '@postern/identity';

/** An answer of an issuer: a status with a body or a place to go to. */
export interface IssuerAnswer {
  readonly status?: number;
  readonly body?: string;
  readonly location?: string;
}

/** An OpenID Connect issuer on this machine, over TLS. */
export interface IssuerServer extends AsyncDisposable {
  readonly url: string;
  /** PEM of its authority. */
  readonly ca: string;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  /** What it answers from now on, by path. */
  readonly answers: Map<string, IssuerAnswer>;
  /** Publishes a key set as an API server does. */
  publish(jwks: string): void;
}

export async function startIssuer(): Promise<IssuerServer> {
  const authority = await createAuthority({ use: 'host', clusterName: 'issuer', clock: systemClock });
  const { privateKey: key, publicKey } = await generateKeyPair();
  const cert = await issueCertificate(authority, {
    type: 'svc',
    id: 'issuer',
    roles: ['Auth'],
    generation: 1,
    publicKey,
    notAfter: new Date(Date.now() + 3_600_000),
    ipAddresses: ['127.0.0.1'],
  });
  const asked: string[] = [];
  const answers = new Map<string, IssuerAnswer>();
  const server = createServer({ key, cert }, ({ url = '' }, response) => {
    asked.push(url);
    const { status = 200, body = '{}', location } = answers.get(url) ?? { status: 404 };
    response.writeHead(status, location === undefined ? {} : { location }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    ca: authority.certificate,
    asked,
    answers,
    publish: (jwks) => {
      const discovery = JSON.stringify({ issuer: url, jwks_uri: `${url}/openid/v1/jwks` });
      answers.set('/.well-known/openid-configuration', { body: discovery });
      answers.set('/openid/v1/jwks', { body: jwks });
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
