import { testNats } from '@postern/testkit';
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
