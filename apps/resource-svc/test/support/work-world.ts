import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus, workStream } from '@postern/bus';
import { workGroupSubjects } from '@postern/contracts';
import { Secret, systemClock } from '@postern/core';
import { silentTelemetry, type SilentTelemetry } from '@postern/telemetry';
import { type RunningProcess, startProcess, type TestNats, testNats, testPostgres } from '@postern/testkit';
import { type GroupOptions, joinGroup, type Membership } from '@postern/work-groups';
import { openResourceStore, type ResourceEventStore } from '../../src/index.ts';
import { keepWork, type WorkOptions } from '../../src/work/keep-work.ts';
import type { MemberNote, MemberSettings } from './work-member.ts';

/** Brokers on a database and a bus of their own, and members of groups. */
export interface WorkWorld extends AsyncDisposable {
  readonly store: ResourceEventStore;
  readonly nats: TestNats;
  readonly bus: Bus;
  readonly telemetry: SilentTelemetry;
  /** Notes that an agent has these roles. */
  joined(agentId: string, roles?: readonly string[]): Promise<void>;
  /** Starts one more broker. */
  broker(): Promise<AsyncDisposable>;
  /** How many tasks of a group are in the queue, delivered ones included: those are never delivered again that are not. */
  queued(group: string): Promise<number>;
  /** A member in this process, on a connection of its own. */
  member(
    options: Omit<GroupOptions, 'telemetry'> & Pick<Partial<GroupOptions>, 'telemetry'>,
  ): Promise<Membership>;
  /** A member in a process of its own. */
  memberProcess(settings: Omit<MemberSettings, 'servers'>): Promise<MemberProcess>;
}

/** A member process, and what it noted about its runs. */
export interface MemberProcess extends RunningProcess {
  notes(): MemberNote[];
}

export async function startWork(options: WorkOptions = {}): Promise<WorkWorld> {
  await using scope = new AsyncDisposableStack();
  const postgres = scope.use(await testPostgres());
  const nats = scope.use(await testNats());
  const telemetry = silentTelemetry('resource-svc');
  const open = { telemetry, clock: systemClock };
  const store = scope.use(await openResourceStore(new Secret(postgres.url), open));
  const bus = scope.use(await connectBus({ servers: nats.url, name: 'test', telemetry }));
  await bus.reconcileStreams([workStream()]);
  const folder = mkdtempSync(join(tmpdir(), 'postern-work-'));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  const startBroker = () => brokerOn({ store, nats, telemetry }, options);
  scope.use(await startBroker());
  const life = scope.move();
  const joined = (agentId: string, roles: readonly string[] = ['Discovery']) => note(store, agentId, roles);
  return {
    store,
    nats,
    bus,
    telemetry,
    joined,
    broker: async () => life.use(await startBroker()),
    queued: async (group) => {
      const manager = await bus.connection.manager();
      const { state } = await manager.streams.info('WORK', { subjects_filter: workGroupSubjects(group) });
      return Object.keys(state.subjects ?? {}).length;
    },
    member: async (given) => {
      await joined(given.agentId);
      const own = life.use(await connectBus({ servers: nats.url, name: given.agentId }));
      return life.use(joinGroup(own, { telemetry, ...given }));
    },
    memberProcess: async (settings) => {
      await joined(settings.agentId);
      const started = startMember({ ...settings, servers: nats.url }, folder);
      life.defer(() => started.kill9());
      return started;
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

interface BrokerWorld {
  readonly store: ResourceEventStore;
  readonly nats: TestNats;
  readonly telemetry: SilentTelemetry;
}

async function brokerOn(
  { store, nats, telemetry }: BrokerWorld,
  options: WorkOptions,
): Promise<AsyncDisposable> {
  await using scope = new AsyncDisposableStack();
  const bus = scope.use(await connectBus({ servers: nats.url, name: 'resource-svc', telemetry }));
  scope.use(keepWork({ store, bus, telemetry }, options));
  await bus.flush();
  return scope.move();
}

async function note(store: ResourceEventStore, agentId: string, roles: readonly string[]): Promise<void> {
  await store.db
    .insertInto('agent_roles')
    .values({ agent_id: agentId, roles: JSON.stringify(roles), joined_at: new Date() })
    .onConflict((conflict) => conflict.column('agent_id').doNothing())
    .execute();
}

function startMember(settings: MemberSettings, logDir: string): MemberProcess {
  const started = startProcess({
    name: settings.agentId,
    command: process.execPath,
    args: [join(import.meta.dirname, 'work-member.ts'), JSON.stringify(settings)],
    env: {},
    cwd: logDir,
    logDir,
  });
  const lines = () => readFileSync(started.logFile, 'utf8').split('\n');
  return {
    ...started,
    notes: () => lines().flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as MemberNote] : [])),
  };
}
