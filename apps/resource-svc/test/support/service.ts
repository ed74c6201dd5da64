import { randomUUID } from 'node:crypto';
import { type Bus, connectBus, eventStream, eventStreamTarget } from '@postern/bus';
import { AgentCopied, AgentJoined, AgentRevoked, type NewEvent } from '@postern/contracts';
import { Secret, systemClock } from '@postern/core';
import { type EventStore, openEventStore, startRelay } from '@postern/event-store';
import { type HeldIdentity, newKeyText } from '@postern/identity';
import { silentTelemetry, type SilentTelemetry } from '@postern/telemetry';
import { type TestNats, testNats, type TestPostgres, testPostgres } from '@postern/testkit';
import {
  openResourceStore,
  type ResourceEventStore,
  type ResourceService,
  resourceService,
} from '../../src/index.ts';
import { type Client, clientOf } from './client.ts';
import { makeTrust, person, type TestTrust } from './trust.ts';

/** A running resource-svc with a database and a bus of its own. */
export interface TestService extends AsyncDisposable {
  readonly store: ResourceEventStore;
  readonly bus: Bus;
  readonly nats: TestNats;
  readonly telemetry: SilentTelemetry;
  /** Speaks as a person through an edge. */
  as(user: string): Client;
  /** Speaks as a person through this edge. */
  through(edgeId: string, user: string): Promise<Client>;
  /** Speaks as a bot through an edge. */
  asBot(name: string): Client;
  /** Speaks as a joined process on its own connection. */
  asAgent(id: string, roles: readonly string[]): Promise<Client>;
  /** Tells the service, as join-svc does, that somebody joined with these roles. */
  joined(id: string, roles: readonly string[]): Promise<void>;
  /** Tells the service that a copy of an agent showed itself. */
  copied(id: string): Promise<void>;
  /** Tells the service that an agent was revoked. */
  revoked(id: string): Promise<void>;
  /** An identity of the service's cluster. */
  held(id: string, roles: readonly string[]): Promise<HeldIdentity>;
  /** Starts another replica. */
  replica(): Promise<ResourceService>;
  /** A replica's end. */
  stop(service: ResourceService): Promise<void>;
  readonly first: ResourceService;
}

interface World {
  readonly postgres: TestPostgres;
  readonly nats: TestNats;
  readonly telemetry: SilentTelemetry;
  readonly trust: TestTrust;
  readonly key: Secret;
}

export async function startService(
  settings: { readonly garbageAfterMs?: number } = {},
): Promise<TestService> {
  await using scope = new AsyncDisposableStack();
  const world: World = {
    postgres: scope.use(await testPostgres()),
    nats: scope.use(await testNats()),
    telemetry: silentTelemetry('resource-svc'),
    trust: await makeTrust(),
    key: newKeyText(),
  };
  const store = scope.use(
    await openResourceStore(new Secret(world.postgres.url), { ...world, clock: systemClock }),
  );
  const bus = scope.use(
    await connectBus({ servers: world.nats.url, name: 'test', telemetry: world.telemetry }),
  );
  await bus.reconcileStreams([eventStream('join')]);
  const joins = scope.use(await openEventStore({ url: world.postgres.url, schema: 'join', context: 'join' }));
  scope.use(startRelay({ store: joins, target: eventStreamTarget(bus, 'join') }));
  const running = new Map<ResourceService, AsyncDisposable>();
  scope.defer(
    async () => void (await Promise.all([...running.values()].map((each) => each[Symbol.asyncDispose]()))),
  );
  const start = async () => {
    const { service, port, life } = await startReplica(world, settings);
    running.set(service, life);
    return { service, port };
  };
  const first = await start();
  const edge = await world.trust.held('svc', 'edge-1', ['Proxy']);
  const life = scope.move();
  return {
    store,
    bus,
    nats: world.nats,
    telemetry: world.telemetry,
    first: first.service,
    as: (user) => clientOf(() => first.port, { held: edge, principal: person(user) }),
    through: async (edgeId, user) =>
      clientOf(() => first.port, {
        held: await world.trust.held('svc', edgeId, ['Proxy']),
        principal: person(user),
      }),
    asBot: (name) => clientOf(() => first.port, { held: edge, principal: { ...person(name), type: 'bot' } }),
    asAgent: async (id, roles) =>
      clientOf(() => first.port, { held: await world.trust.held(typeOf(roles), id, roles) }),
    ...newsOf(joins),
    held: (id, roles) => world.trust.held(typeOf(roles), id, roles),
    replica: async () => (await start()).service,
    stop: async (service) => {
      await running.get(service)?.[Symbol.asyncDispose]();
      running.delete(service);
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

/** What join-svc tells of agents. */
function newsOf(joins: EventStore): Pick<TestService, 'joined' | 'revoked' | 'copied'> {
  const append = async (id: string, event: NewEvent) => {
    const version = (await joins.load(`agent/${id}`)).length + 1;
    await joins.append([{ stream: `agent/${id}`, version, id: randomUUID(), event }]);
  };
  const certified = {
    method: 'token',
    token: '***',
    hostname: 'h',
    generation: 1,
    notAfter: '',
    attributes: {},
  };
  return {
    joined: (agentId, roles) => append(agentId, AgentJoined({ ...certified, agentId, roles: [...roles] })),
    copied: (agentId) => append(agentId, AgentCopied({ agentId, shown: 1, generation: 2 })),
    revoked: (agentId) => append(agentId, AgentRevoked({ agentId, by: 'admin', busKeys: [] })),
  };
}

async function startReplica(
  { postgres, nats, telemetry, trust, key }: World,
  settings: { readonly garbageAfterMs?: number },
) {
  await using scope = new AsyncDisposableStack();
  const store = scope.use(
    await openResourceStore(new Secret(postgres.url), { telemetry, clock: systemClock }),
  );
  const bus = scope.use(await connectBus({ servers: nats.url, name: 'resource-svc', telemetry }));
  const identity = await trust.held('svc', randomUUID(), ['Auth']);
  const deps = { store, bus, identity, telemetry, clock: systemClock };
  const service = scope.use(await resourceService(deps, { key, heartbeatIntervalMs: 30_000, ...settings }));
  const { port } = await service.listen({ host: '127.0.0.1', port: 0 });
  return { service, port, life: scope.move() };
}

function typeOf(roles: readonly string[]): 'agent' | 'svc' {
  return roles.some((role) => role === 'Proxy' || role === 'Auth') ? 'svc' : 'agent';
}
