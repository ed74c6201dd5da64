import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  allStreams,
  type Bus,
  type BusCredentials,
  connectBus,
  createUserKey,
  inboxPrefix,
  openBusOperator,
  type OperatorConfig,
  operatorServerConfig,
  permissionsOf,
  userJwt,
} from '@postern/bus';
import type { ControlPlaneService, IssuedIdentity, StoredEvent } from '@postern/contracts';
import { type Clock, Secret, sha256Hex, systemClock } from '@postern/core';
import {
  assertionHeader,
  generateKeyPair,
  HeldIdentity,
  makeCsr,
  newKeyText,
  principalOf,
  readIdentityFile,
  signAssertion,
} from '@postern/identity';
import type { JoinMethod } from '../src/methods/method.ts';
import { joinService, type JoinServiceConfig, openJoinStore, ownAccess } from '../src/index.ts';
import { type SilentTelemetry, silentTelemetry } from '@postern/telemetry';
import { type TestNats, testNats, testPostgres } from '@postern/testkit';
import { Agent, request } from 'undici';
import { startViews, type Views } from './views.ts';

export const serviceToken = 'canary-service-token-0123456789ab';
export const clusterName = 'postern';

/** One database and one bus, and any number of replicas of join-svc on them. */
export interface ControlPlane extends AsyncDisposable {
  readonly views: Views;
  readonly bus: Bus;
  readonly nats: TestNats;
  readonly telemetry: SilentTelemetry;
  readonly pgUrl: string;
  readonly dataDir: string;
  replica(options?: ReplicaOptions): Promise<Replica>;
}

type ReplicaOptions = Partial<JoinServiceConfig> & {
  readonly clock?: Clock;
  readonly joinMethods?: readonly JoinMethod[];
  /** Where the bus has an operator: whether this replica holds its key. */
  readonly isOperator?: boolean;
};

export interface Replica extends AsyncDisposable {
  readonly url: string;
  readonly store: Awaited<ReturnType<typeof openJoinStore>>;
  readonly ca: string;
}

/** With the keys of an operator the bus asks for credentials. */
export async function startControlPlane(operator?: OperatorConfig): Promise<ControlPlane> {
  const scope = new AsyncDisposableStack();
  const postgres = scope.use(await testPostgres());
  const nats = scope.use(await testNats(operator ? { config: operatorServerConfig(operator) } : {}));
  const telemetry = silentTelemetry('join-svc');
  {
    await using maker = await connectBus({ servers: nats.url, name: 'maker', ...as('join-svc', operator) });
    await maker.reconcileStreams(allStreams());
  }
  const bus = scope.use(
    await connectBus({ servers: nats.url, name: 'test', ...as('resource-svc', operator) }),
  );
  const dataDir = await mkdtemp(join(tmpdir(), 'join-svc-'));
  scope.defer(() => rm(dataDir, { recursive: true }));
  const key = newKeyText();
  const replica = async (options: ReplicaOptions = {}): Promise<Replica> => {
    const shared = { pgUrl: postgres.url, natsUrl: nats.url, dataDir, key, telemetry, operator };
    return scope.use(await startReplica(shared, options));
  };
  const views = await startViews(bus);
  return {
    views,
    bus,
    nats,
    telemetry,
    pgUrl: postgres.url,
    dataDir,
    replica,
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  };
}

interface Shared {
  readonly pgUrl: string;
  readonly natsUrl: string;
  readonly dataDir: string;
  readonly key: Secret;
  readonly telemetry: SilentTelemetry;
  readonly operator: OperatorConfig | undefined;
}

async function startReplica(
  { pgUrl, natsUrl, dataDir, key, telemetry, operator }: Shared,
  { clock = systemClock, isOperator = true, joinMethods, ...options }: ReplicaOptions,
): Promise<Replica> {
  await using opening = new AsyncDisposableStack();
  const store = opening.use(await openJoinStore(new Secret(pgUrl), { telemetry, clock }));
  const config: JoinServiceConfig = {
    clusterName,
    natsServers: [natsUrl],
    publicAddrs: ['127.0.0.1:3080', 'join.example.com'],
    serviceToken: new Secret(serviceToken),
    key,
    dataDir,
    heartbeatIntervalMs: 30_000,
    adminIdentityFile: undefined,
    busAccountSeed: operator && new Secret(operator.accountSeed),
    busServers: undefined,
    stsEndpoint: undefined,
    agentTtlMs: 86_400_000,
    userTtlMs: 43_200_000,
    refusalAfterMs: 300,
    ...options,
  };
  const listen = { host: '127.0.0.1', port: 0 };
  const { agentId, connection } = ownAccess({ ...config, listen }, { telemetry, clock });
  const connected = { servers: natsUrl, name: agentId, telemetry };
  const bus = opening.use(await connectBus({ ...connected, ...connection }));
  const busOperator =
    operator && isOperator
      ? opening.use(await openBusOperator({ ...connected, secrets: operator, clock }))
      : undefined;
  const methods = joinMethods ? { joinMethods } : {};
  const deps = { store, bus, operator: busOperator, agentId, telemetry, clock, ...methods };
  const service = opening.use(await joinService(deps, config));
  const { url } = await service.listen(listen);
  const own = opening.move();
  const { hostCa: ca } = service.identity.current();
  return { url, store, ca, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

/** A service of the control plane, to a bus that asks. */
function as(
  service: ControlPlaneService,
  operator: OperatorConfig | undefined,
): {
  creds?: BusCredentials;
  inboxPrefix?: string;
} {
  if (operator === undefined) return {};
  const { seed, publicKey: userPublicKey } = createUserKey();
  const agentId = `${service}-of-the-test`;
  const jwt = userJwt({
    ...permissionsOf({ agentId, roles: ['Auth'], service }),
    accountSeed: operator.accountSeed,
    userPublicKey,
    name: agentId,
    expires: new Date(Date.now() + 3_600_000),
  });
  return { creds: { seed, jwt }, inboxPrefix: inboxPrefix(agentId) };
}

/** A key with its certificate, as a TLS client shows them. */
export interface Credential {
  readonly key: string;
  readonly certificate: string;
}

export interface Reply<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
}

/** One HTTP call, over a connection of its own. */
export async function call<T = Record<string, unknown>>(
  { url, ca }: Pick<Replica, 'url' | 'ca'>,
  path: string,
  {
    body,
    as,
    headers,
  }: { readonly body?: object; readonly as?: Credential; readonly headers?: Record<string, string> } = {},
): Promise<Reply<T>> {
  const dispatcher = new Agent({ connect: { ca, ...(as ? { key: as.key, cert: as.certificate } : {}) } });
  try {
    const post = {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { ...headers, 'content-type': 'application/json' },
    } as const;
    const reply = await request(new URL(path, url), {
      dispatcher,
      headers: headers ?? {},
      ...(body ? post : {}),
    });
    return { status: reply.statusCode, body: (await reply.body.json()) as T };
  } finally {
    await dispatcher.destroy();
  }
}

/** A joiner with its own key. */
export async function joiner(): Promise<{
  readonly key: string;
  readonly publicKey: string;
  readonly csr: string;
}> {
  const { privateKey, publicKey } = await generateKeyPair();
  return { key: privateKey, publicKey, csr: await makeCsr(privateKey) };
}

export interface JoinBody {
  readonly method: string;
  readonly token: string;
  readonly roles: readonly string[];
  readonly service?: string;
  readonly hostname: string;
  readonly csr: string;
  readonly busKey: string;
  readonly joinId: string;
  readonly proof?: Readonly<Record<string, unknown>>;
}

/** A join request by token; `csr` is made for the occasion unless given. */
export async function joinBody(changes: Partial<JoinBody> = {}): Promise<JoinBody> {
  return {
    method: 'token',
    token: serviceToken,
    roles: ['Kube'],
    hostname: 'host-1',
    joinId: crypto.randomUUID(),
    busKey: createUserKey().publicKey,
    ...changes,
    csr: changes.csr ?? (await joiner()).csr,
  };
}

/** Joins and returns what TLS needs from then on. */
export async function joined(
  replica: Replica,
  roles = ['Kube'],
): Promise<Credential & { readonly identity: IssuedIdentity }> {
  const { key, csr } = await joiner();
  const service = roles.includes('Auth') ? { service: 'inventory-svc' } : {};
  const join = await joinBody({ csr, roles, ...service });
  const { body } = await call<IssuedIdentity>(replica, '/v1/join', { body: join });
  return { key, certificate: body.certificate, identity: body };
}

/** Puts a join token as resource-svc would publish it: under the hash of its name. */
export function putToken(
  views: Views,
  name: string,
  spec: Record<string, unknown>,
  expires?: string,
): Promise<void> {
  const metadata = { name: sha256Hex(name), ...(expires === undefined ? {} : { expires }) };
  return views.put('token', sha256Hex(name), { kind: 'token', version: 'v2', metadata, spec });
}

/** The administrator of the machine, by the identity file that join-svc wrote. */
export async function administrator(path: string): Promise<Credential> {
  const { key, certificate } = await readIdentityFile(path);
  return { key, certificate };
}

/** Everything recorded so far. */
export async function recorded({ store }: Pick<Replica, 'store'>): Promise<StoredEvent[]> {
  return (await store.feed({ limit: 10_000 })).map(({ event }) => event);
}

/** An edge: it forwards what users ask, and says who they are. Services take users from nobody else. */
export async function startEdge(replica: Replica): Promise<typeof call> {
  const { key, certificate, identity } = await joined(replica, ['Proxy']);
  const material = { key, certificate, hostCa: identity.hostCa, userCa: identity.userCa, clusterName };
  const edge = new HeldIdentity(material);
  return async (to, path, { body, as } = {}) => {
    const at = new Date();
    const principal = as && principalOf(new X509Certificate(as.certificate), edge.trust());
    const request = { principal, requestId: crypto.randomUUID(), sourceIp: '192.0.2.7' };
    const assertion = await signAssertion(edge.current(), request, { audience: 'join-svc', at });
    return call(to, path, {
      as: { key, certificate },
      headers: { [assertionHeader]: assertion },
      ...(body ? { body } : {}),
    });
  };
}
