import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { testNats, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectBus, createOperatorConfig, inboxPrefix, operatorServerConfig } from '../src/index.ts';
import { credentialsFor } from './support/bus-users.ts';
import { describePermissions } from './support/describe-permissions.ts';
import { serverCertificate } from './support/server-certificate.ts';
import { users } from './support/subject-space.ts';

const operator = createOperatorConfig();
const scope = new AsyncDisposableStack();
const config = operatorServerConfig(operator);
let nats: Awaited<ReturnType<typeof testNats>>;
let ca: string;

beforeAll(async () => {
  const certificate = await serverCertificate();
  ca = certificate.ca;
  nats = scope.use(await testNats({ config, tls: certificate }));
});
afterAll(() => scope.disposeAsync());

describePermissions('TLS', { url: () => nats.url, ca: () => ca, operator });

/** Serial number of the certificate that a listener shows; that of NATS' own protocol greets before it does. */
async function shownAt(port: number, greets: boolean): Promise<string> {
  const plain = connectTcp(port, '127.0.0.1');
  if (greets) await once(plain, 'data');
  const socket = connectTls({ socket: plain, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerX509Certificate()!;
  socket.destroy();
  return serialNumber;
}

describe('TLS to the bus', () => {
  const creds = credentialsFor(operator, { agentId: 'a1', ...users.kube });
  const connect = (servers: string, trusted?: string) =>
    connectBus({
      servers,
      name: 'a1',
      creds,
      inboxPrefix: inboxPrefix('a1'),
      patienceMs: 0,
      ...(trusted === undefined ? {} : { ca: trusted }),
    });

  test('is used whichever way the URL is written, once a private authority is given', async () => {
    for (const url of [nats.url, nats.url.replace('tls:', 'nats:'), `tls://localhost:${nats.port}`]) {
      await using bus = await connect(url, ca);
      await bus.flush();
    }
  });

  test('goes on when the server gets another certificate of its authority', async () => {
    const certificate = await serverCertificate();
    await using server = await testNats({ config, tls: certificate, websocket: true });
    const listeners: [number, boolean][] = [
      [server.port, true],
      [Number(new URL(server.websocketUrl!).port), false],
    ];
    await using connected = await connect(server.url, certificate.ca);
    const other = await certificate.again();
    server.replaceTls(other);
    const { serialNumber } = new X509Certificate(other.cert);
    for (const [port, greets] of listeners)
      await until(
        'newcomers see the other certificate',
        async () => (await shownAt(port, greets)) === serialNumber,
      );
    await (await connect(server.url, certificate.ca))[Symbol.asyncDispose]();
    await until('who was connected is again', async () => {
      await connected.flush();
      return connected.isConnected;
    });
  });

  test('to a server of an unknown authority is refused', async () => {
    await expect(connect(nats.url, (await serverCertificate()).ca)).rejects.toMatchObject({
      code: 'bus.not_trusted',
    });
    await expect(connect(nats.url)).rejects.toMatchObject({ code: 'bus.not_trusted' });
  });

  test('to a server that shows a certificate of another name is refused', async () => {
    const other = await serverCertificate('nats.example.com');
    await using elsewhere = await testNats({ tls: other });
    const url = elsewhere.url.replace('127.0.0.1', 'localhost');
    await expect(connect(url, other.ca)).rejects.toMatchObject({ code: 'bus.not_trusted' });
  });

  test('is not given up for a server that speaks plain, and the credential is not shown to it', async () => {
    await using plain = await testNats({ config });
    const url = plain.url.replace('nats:', 'tls:');
    await expect(connect(url)).rejects.toMatchObject({ code: 'bus.unavailable' });
    await expect(connect(plain.url, ca)).rejects.toMatchObject({ code: 'bus.unavailable' });
    const { connections } = (await (await fetch(`${plain.monitorUrl()}/connz?state=all`)).json()) as {
      connections: { authorized_user?: string; nkey?: string; jwt?: string }[];
    };
    expect(connections.filter((each) => each.jwt ?? each.nkey ?? each.authorized_user)).toEqual([]);
  });
});
