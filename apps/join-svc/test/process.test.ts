import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { join } from 'node:path';
import { connectBus, createOperatorConfig, operatorServerConfig } from '@postern/bus';
import { openIdentity } from '@postern/agent';
import { agentSubjects, commandSubjects } from '@postern/contracts';
import { systemClock } from '@postern/core';
import {
  createAuthority,
  generateKeyPair,
  issueCertificate,
  newKeyText,
  readIdentityFile,
  sealerFrom,
} from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { testNats, testPostgres } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { sealOperatorFile } from '../src/index.ts';

const main = join(import.meta.dirname, '../src/main.ts');
const token = 'canary-service-token-0123456789ab';
const telemetry = silentTelemetry('agent');
const scope = new AsyncDisposableStack();
let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  const operator = createOperatorConfig();
  const postgres = scope.use(await testPostgres());
  const { ca, ...tls } = await busCertificate();
  const config = operatorServerConfig(operator);
  const nats = scope.use(await testNats({ config, tls }));
  const kek = newKeyText();
  const operatorFile = await sealOperatorFile(sealerFrom(kek), operator);
  folder = await mkdtemp(join(tmpdir(), 'join-process-'));
  scope.defer(() => rm(folder, { recursive: true }));
  const file = async (name: string, text: string) => {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  env = {
    POSTERN_PG_URL: postgres.url,
    POSTERN_NATS_URL: nats.url,
    POSTERN_LISTEN: '127.0.0.1:0',
    POSTERN_DIAG_LISTEN: '127.0.0.1:0',
    POSTERN_JOIN_TOKEN_FILE: await file('token', `${token}\n`),
    POSTERN_KEY_FILE: await file('kek', kek.reveal()),
    POSTERN_BUS_ACCOUNT_SEED_FILE: await file('seed', operator.accountSeed),
    POSTERN_BUS_OPERATOR_FILE: await file('operator', operatorFile),
    POSTERN_BUS_CA_FILE: await file('bus-ca.pem', ca),
    POSTERN_ADMIN_IDENTITY_FILE: join(folder, 'admin-identity.pem'),
    POSTERN_DATA_DIR: folder,
    POSTERN_PUBLIC_ADDR: '127.0.0.1:3080',
  };
});
afterAll(() => scope.disposeAsync());

async function busCertificate(): Promise<{ ca: string; cert: string; key: string }> {
  const authority = await createAuthority({ use: 'host', clusterName: 'bus', clock: systemClock });
  const { privateKey: key, publicKey } = await generateKeyPair();
  const notAfter = new Date(Date.now() + 3_600_000);
  const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] };
  const spec = { type: 'svc', id: 'nats', publicKey, generation: 1, roles: [], notAfter, ...names } as const;
  return { ca: authority.certificate, cert: await issueCertificate(authority, spec), key };
}

interface Running {
  readonly url: string;
  readonly child: ChildProcessByStdio<null, null, Readable>;
  readonly log: () => string;
}

async function start(variables: Record<string, string>): Promise<Running> {
  const child = spawn(process.execPath, [main], { env: variables, stdio: ['ignore', 'ignore', 'pipe'] });
  scope.defer(() => void child.kill('SIGKILL'));
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const find = () => /"url":"(https:[^"]+)"/.exec(log)?.[1] ?? '';
  await vi.waitFor(() => expect(find(), log).not.toBe(''), { timeout: 30_000 });
  return { url: find(), child, log: () => log };
}

async function stop({ child }: Running): Promise<number | null> {
  const exited = once(child, 'exit') as Promise<[number | null]>;
  child.kill('SIGTERM');
  return (await exited)[0];
}

describe('the process', () => {
  test('starts twice at once, lets an agent in with a credential for the bus, and stops cleanly', async () => {
    const [one, other] = await Promise.all([start(env), start(env)]);
    const trust = { caFile: join(folder, 'ca.pem') };
    const common = { token, roles: ['Kube'], hostname: 'h', telemetry, clock: systemClock };
    const identity = await openIdentity({ ...common, joinUrls: [one.url, other.url], trust });
    const { servers, jwt = '', seed, ca = '' } = identity.bus;
    expect(servers[0]).toMatch(/^tls:/);
    const own = {
      servers,
      ca,
      creds: { seed, jwt },
      name: 'agent',
      inboxPrefix: `_INBOX.${identity.agentId}`,
    };
    const bus = await connectBus(own);
    bus.publish(agentSubjects.heartbeat(identity.agentId), {});
    bus.subscribe(commandSubjects.all(identity.agentId), {}, () => {});
    await bus.flush();
    await bus[Symbol.asyncDispose]();
    await identity[Symbol.asyncDispose]();
    expect(await readIdentityFile(env['POSTERN_ADMIN_IDENTITY_FILE']!)).toMatchObject({
      clusterName: 'postern',
      proxy: '127.0.0.1:3080',
    });
    expect(await Promise.all([stop(one), stop(other)])).toEqual([0, 0]);
    expect(one.log() + other.log()).not.toMatch(
      new RegExp(`${token}|PRIVATE KEY|SUA[A-Z2-7]{50}|SAA[A-Z2-7]{50}|SOA[A-Z2-7]{50}`),
    );
  });

  test('ends with one line that names every variable that is missing', async () => {
    const child = spawn(process.execPath, [main], { env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
    const log = Buffer.concat(await child.stderr.toArray()).toString();
    expect(log).toContain('POSTERN_PG_URL is required');
    expect(log).toContain('POSTERN_KEY_FILE is required');
    expect(child.exitCode).not.toBe(0);
  });
});
