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
  nats = scope.use(await testNats({ config, tls: certificate, websocket: true }));
});
afterAll(() => scope.disposeAsync());

describePermissions('WebSocket', { url: () => nats.websocketUrl!, ca: () => ca, operator });

describe('a WebSocket to the bus', () => {
  const creds = credentialsFor(operator, { agentId: 'a1', ...users.kube });
  const connect = (servers: string | string[], trusted?: string) =>
    connectBus({
      servers,
      name: 'a1',
      creds,
      inboxPrefix: inboxPrefix('a1'),
      patienceMs: 0,
      ...(trusted === undefined ? {} : { ca: trusted }),
    });

  test('comes back after the server was killed', async () => {
    await using bus = await connect(nats.websocketUrl!, ca);
    let reconnections = 0;
    bus.onReconnect(() => void (reconnections += 1));
    await nats.kill9();
    await until('it is lost', () => !bus.isConnected);
    await nats.start();
    await until('it is back', () => reconnections > 0);
    await bus.flush();
  });

  test('to a server of an unknown authority is refused', async () => {
    await expect(connect(nats.websocketUrl!, (await serverCertificate()).ca)).rejects.toMatchObject({
      code: 'bus.unavailable',
    });
    await expect(connect(nats.websocketUrl!)).rejects.toMatchObject({ code: 'bus.unavailable' });
  });

  test('without encryption is for this machine only', async () => {
    await using plain = await testNats({ config, websocket: true });
    await using bus = await connect(plain.websocketUrl!);
    await bus.flush();
    await expect(connect('ws://192.0.2.1:8080')).rejects.toMatchObject({ code: 'bus.invalid_url' });
    await expect(connect('ws://127.0.0.1.example.com')).rejects.toMatchObject({ code: 'bus.invalid_url' });
  });

  test('is not mixed with connections of another kind', async () => {
    await expect(connect([nats.websocketUrl!, nats.url], ca)).rejects.toMatchObject({
      code: 'bus.invalid_url',
    });
    await expect(connect(nats.url, ca)).rejects.toMatchObject({ code: 'bus.invalid_url' });
    await expect(connect('https://nats.example.com')).rejects.toMatchObject({ code: 'bus.invalid_url' });
    await expect(connect('no url at all')).rejects.toMatchObject({ code: 'bus.invalid_url' });
  });
});
