import { type Bus, connectBus, eventStream } from '@postern/bus';
import {
  agentSubjects,
  type Heartbeat,
  type ServedCluster,
  type ServedReport,
  type ViewEntry,
} from '@postern/contracts';
import { type Clock, Secret, systemClock } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import {
  createAuthority,
  generateKeyPair,
  type HeldIdentity,
  type IdentityMaterial,
  issueCertificate,
} from '@postern/identity';
import { type Policy, PolicyTables } from '@postern/policy';
import { type SilentTelemetry, silentTelemetry } from '@postern/telemetry';
import { request } from 'node:https';
import { expect } from 'vitest';
import {
  type InventoryDb,
  inventoryService,
  type InventoryServiceConfig,
  openInventoryStore,
  type RegisteredClusters,
} from '../../src/index.ts';

/** Certificates of one trust domain. */
export class TestTrust {
  readonly #host;
  readonly #user;

  constructor(
    host: Awaited<ReturnType<typeof createAuthority>>,
    user: Awaited<ReturnType<typeof createAuthority>>,
  ) {
    this.#host = host;
    this.#user = user;
  }

  static async make(): Promise<TestTrust> {
    const options = { clusterName: 'postern', clock: systemClock };
    return new TestTrust(
      await createAuthority({ ...options, use: 'host' }),
      await createAuthority({ ...options, use: 'user' }),
    );
  }

  async issue(
    type: 'svc' | 'agent' | 'user',
    id: string,
    roles: readonly string[] = [],
  ): Promise<IdentityMaterial> {
    const { privateKey, publicKey } = await generateKeyPair();
    const notAfter = new Date(Date.now() + 3_600_000);
    const isUser = type === 'user';
    const certificate = await issueCertificate(isUser ? this.#user : this.#host, {
      type,
      id,
      publicKey,
      notAfter,
      ...(isUser
        ? { session: crypto.randomUUID() }
        : { roles, generation: 1, dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }),
    });
    const { certificate: hostCa } = this.#host;
    return { key: privateKey, certificate, hostCa, userCa: this.#user.certificate, clusterName: 'postern' };
  }
}

/** A policy that a test writes. */
export class TestPolicy {
  readonly #tables: PolicyTables;
  readonly policy: Policy;
  ageMs = 0;

  constructor() {
    this.#tables = new PolicyTables({ clock: systemClock, onUnreadable: () => undefined });
    this.policy = {
      ready: Promise.resolve(),
      revision: () => '1',
      ageMs: () => this.ageMs,
      user: (name) => this.#tables.user(name),
      rolesOf: (user) => this.#tables.rolesOf(user),
      lockOn: (subject) => this.#tables.lockOn(subject),
      lockOnAgent: (agentId, joinToken) => this.#tables.lockOnAgent(agentId, joinToken),
      lockOnToken: (tokenId) => this.#tables.lockOnToken(tokenId),
      lockedAgents: () => this.#tables.lockedAgents(),
      onChange: (callback) => this.#tables.onChange(callback),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  user(name: string, ...roles: string[]): void {
    const resource = { kind: 'user', version: 'v2', metadata: { name }, spec: { roles } };
    this.#tables.apply({ kind: 'user', id: name, resource });
  }

  role(name: string, spec: Record<string, unknown>): void {
    const resource = { kind: 'role', version: 'v7', metadata: { name }, spec };
    this.#tables.apply({ kind: 'role', id: name, resource });
  }
}

/** kube_cluster resources that a test writes. */
export class TestClusters implements RegisteredClusters {
  readonly ready = Promise.resolve();
  readonly #entries = new Map<string, Pick<ViewEntry, 'resource'>>();

  get(kind: string, id: string): Pick<ViewEntry, 'resource'> | undefined {
    return kind === 'kube_cluster' ? this.#entries.get(id) : undefined;
  }

  put(name: string, labels: Record<string, string>): void {
    const metadata = { name, labels: { ...labels, 'teleport.dev/origin': 'dynamic' } };
    this.#entries.set(name, { resource: { kind: 'kube_cluster', version: 'v3', metadata, spec: {} } });
  }

  remove(name: string): void {
    this.#entries.delete(name);
  }
}

interface ReplicaOptions {
  readonly postgresUrl: string;
  readonly natsUrl: string;
  readonly identity: HeldIdentity;
  readonly policy: Policy;
  readonly clusters: RegisteredClusters;
  readonly clock?: Clock;
  readonly config?: Partial<InventoryServiceConfig>;
}

/** A running replica with everything it opened. */
export interface Replica extends AsyncDisposable {
  readonly port: number;
  readonly store: EventStore<InventoryDb>;
  readonly bus: Bus;
  readonly telemetry: SilentTelemetry;
}

export const quick: InventoryServiceConfig = {
  flushMs: 40,
  scanMs: 40,
  retentionMs: 3_600_000,
  maxPolicyAgeMs: 300_000,
  heartbeatIntervalMs: 3_600_000,
};

/** Starts a replica of inventory-svc in this process. */
export async function startReplica(options: ReplicaOptions): Promise<Replica> {
  const { postgresUrl, natsUrl, identity, policy, clusters, clock = systemClock, config = {} } = options;
  await using opening = new AsyncDisposableStack();
  const telemetry = opening.use(silentTelemetry('inventory-svc'));
  const store = opening.use(await openInventoryStore(new Secret(postgresUrl), { telemetry, clock }));
  const bus = opening.use(await connectBus({ servers: natsUrl, name: 'inventory-svc', telemetry }));
  // join-svc has made it before.
  await bus.reconcileStreams([eventStream('join')]);
  const deps = { store, bus, identity, policy, clusters, telemetry, clock };
  const service = opening.use(await inventoryService(deps, { ...quick, ...config }));
  const { port } = await service.listen({ host: '127.0.0.1', port: 0 });
  const open = opening.move();
  return { port, store, bus, telemetry, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** An agent as the bus sees it. */
export class TestAgent {
  readonly agentId: string;
  readonly #bus: Bus;
  readonly #clock: Clock;
  #run: { readonly run: string; readonly startedAt: string };
  #sequence = 0;
  revision = 0;
  clusters: ServedCluster[] = [];

  constructor(bus: Bus, agentId: string, clock: Clock = systemClock) {
    this.#bus = bus;
    this.agentId = agentId;
    this.#clock = clock;
    this.#run = { run: crypto.randomUUID(), startedAt: clock().toISOString() };
  }

  /** As if the process had been started again. */
  restart(): void {
    this.#run = { run: crypto.randomUUID(), startedAt: this.#clock().toISOString() };
    this.#sequence = 0;
    this.revision = 0;
  }

  beat(changes: Partial<Heartbeat> = {}, as = this.agentId): void {
    const { agentId } = this;
    const heartbeat: Heartbeat = {
      ...this.#run,
      agentId,
      sequence: this.#sequence++,
      intervalMs: 1_000,
      version: '0.1.0',
      hostname: `host-of-${agentId}`,
      services: ['Kube'],
      servedRevision: this.revision,
      ...changes,
    };
    this.#bus.publish(agentSubjects.heartbeat(as), heartbeat);
  }

  report(as = this.agentId): void {
    const { agentId, revision, clusters } = this;
    const report: ServedReport = { ...this.#run, agentId, revision, clusters };
    this.#bus.publish(agentSubjects.served(as), report);
  }

  serve(...clusters: ServedCluster[]): void {
    this.clusters = clusters;
    this.revision += 1;
    this.report();
  }

  goodbye(): void {
    this.#bus.publish(agentSubjects.goodbye(this.agentId), {});
  }
}

export function cluster(name: string, changes: Partial<ServedCluster> = {}): ServedCluster {
  return { name, labels: {}, origin: 'dynamic', health: 'online', kubeVersion: 'v1.31.0', ...changes };
}

interface Sent {
  readonly as: IdentityMaterial;
  readonly headers?: Record<string, string>;
  readonly method?: string;
  readonly body?: object;
}

interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** GETs a path as somebody, straight from the service. */
export function get(port: number, path: string, sent: Pick<Sent, 'as' | 'headers'>): Promise<Answered> {
  return send(port, path, sent);
}

/** Calls an operation as somebody, straight at the service. */
export function send(
  port: number,
  path: string,
  { as, headers = {}, method = 'GET', body }: Sent,
): Promise<Answered> {
  const text = body === undefined ? '' : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path,
      method,
      headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
      key: as.key,
      cert: as.certificate,
      ca: as.hostCa,
      agent: false,
    };
    request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>,
        });
      });
    })
      .on('error', reject)
      .end(text);
  });
}

/** Waits for a condition; the bound is for a machine that does much else. */
export const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 10_000, interval: 20 });
