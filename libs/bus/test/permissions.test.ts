import { headers as natsHeaders, type Msg } from '@nats-io/transport-node';
import {
  agentSubjects,
  anyAgent,
  everything,
  eventSubject,
  selectorHash,
  viewSubject,
} from '@postern/contracts';
import { memoryParking, testNats, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  allStreams,
  type Bus,
  connectBus,
  consumers,
  createOperatorConfig,
  createUserKey,
  inboxPrefix,
  openView,
  operatorServerConfig,
  readViewPage,
  storeViewEntry,
} from '../src/index.ts';
import { credentialsFor, type RawUser, rawUser } from './support/bus-users.ts';
import { describePermissions } from './support/describe-permissions.ts';
import { agentRights, ownedStreams, subjectSpace, type UserName, users } from './support/subject-space.ts';

const operator = createOperatorConfig();
const hash = selectorHash(everything('kube_cluster'));
const otherHash = selectorHash(everything('role'));
const space = subjectSpace({ self: 'a1', other: 'a2', hash, otherHash });
const subjects = space.map(({ subject }) => subject);
const scope = new AsyncDisposableStack();
let nats: Awaited<ReturnType<typeof testNats>>;
let service: Bus;

function connectAs(name: UserName, agentId = 'a1'): Promise<RawUser> {
  const creds = credentialsFor(operator, { agentId, ...users[name], views: [hash] });
  return rawUser(nats, { agentId, ...creds });
}

function busAs(name: UserName, agentId: string, expires?: Date): Promise<Bus> {
  const creds = credentialsFor(operator, { agentId, ...users[name], views: [hash] }, expires);
  return connectBus({ servers: nats.url, name: agentId, creds, inboxPrefix: inboxPrefix(agentId) });
}

beforeAll(async () => {
  nats = scope.use(await testNats({ config: operatorServerConfig(operator) }));
  service = scope.use(await busAs('resource', 's1'));
  await using maker = await busAs('join', 'maker');
  await maker.reconcileStreams(allStreams());
});

afterAll(() => scope.disposeAsync());

describePermissions('plain TCP', { url: () => nats.url, operator });

describe('the table', () => {
  test('knows every subject of agents and every stream that is declared', () => {
    const { fact: _, ...own } = agentSubjects;
    expect(Object.keys(agentRights).toSorted()).toEqual(Object.keys(own).toSorted());
    const wildcards = Object.values(anyAgent);
    expect(subjects).toEqual(expect.arrayContaining(wildcards));
    expect(ownedStreams.toSorted()).toEqual(
      allStreams()
        .map(({ name }) => name)
        .toSorted(),
    );
  });
});

describe('an agent cannot have others publish for it', () => {
  const entry = {
    kind: 'role',
    id: 'keep',
    rev: 1,
    revision: 'r',
    resource: { kind: 'role', version: 'v8', metadata: { name: 'keep' }, spec: {} },
  };
  const said = (['hb', 'served', 'bye', 'view.open', 'view.snap', 'fact.ClusterServed'] as const).map(
    (tail) => `agent.a1.${tail}`,
  );

  test.each(said)('by an answer to %s, nor by a trace of it', async (subject) => {
    await using agent = await connectAs('kube');
    await using inventory = await busAs('inventory', 'i1');
    await storeViewEntry(service, { hash: otherHash, generation: 1 }, entry);
    const answers = [service, inventory].flatMap((bus) =>
      [anyAgent.openView, anyAgent.snapshot, anyAgent.clusterServed, anyAgent.heartbeat].map((any) =>
        bus.subscribe(any, {}, (message) => message.respond({ ok: true })),
      ),
    );
    await service.flush();
    await inventory.flush();
    const manager = await service.connection.manager();
    const before = (await manager.streams.info('EVT_RESOURCE')).state.last_seq;
    const forged = [
      viewSubject({ hash: otherHash, generation: 1 }, 'role', 'keep'),
      'evt.resource.00.role.keep.ResourceDeleted',
    ];
    for (const reply of forged) {
      agent.nats.publish(subject, '{}', { reply });
      const trace = natsHeaders();
      trace.set('Nats-Trace-Dest', reply);
      agent.nats.publish(subject, '{}', { headers: trace });
    }
    // A question that is answered comes after whatever the others could have caused.
    await agent.nats.request('agent.a1.view.open', '{}');
    await storeViewEntry(service, { hash: otherHash, generation: 1 }, { ...entry, id: 'last' });
    const { entries } = await readViewPage(service, { hash: otherHash, generation: 1 }, '');
    expect(entries.map(({ id }) => id)).toEqual(['keep', 'last']);
    expect((await manager.streams.info('EVT_RESOURCE')).state.last_seq).toBe(before);
    for (const each of answers) each.unsubscribe();
  });
});

describe('the right to make streams', () => {
  const own = (name: string) => allStreams().filter(({ metadata }) => metadata?.['owner'] === name);

  test('is that of join-svc; the others take the streams as they are', async () => {
    await using inventory = await busAs('inventory', 'i3');
    await inventory.reconcileStreams(own('inventory'));
    const changed = own('inventory').map((stream) => ({ ...stream, max_age: 1e12 }));
    await inventory.reconcileStreams(changed);
    const manager = await inventory.connection.manager();
    expect((await manager.streams.info('FACT')).config.max_age).not.toBe(1e12);
    const republish = { src: 'agent.*.fact.>', dest: 'evt.join.>' };
    await expect(
      inventory.connection.answered('FACT', () => manager.streams.update('FACT', { republish })),
    ).rejects.toMatchObject({ code: 'bus.forbidden' });
  });

  test('of a service that starts first is waited for', async () => {
    await using late = await testNats({ config: operatorServerConfig(operator) });
    const connect = (name: UserName) =>
      connectBus({
        servers: late.url,
        name,
        creds: credentialsFor(operator, { agentId: name, ...users[name] }),
        inboxPrefix: inboxPrefix(name),
      });
    await using resource = await connect('resource');
    const ready = resource.reconcileStreams(own('resource'));
    await using join = await connect('join');
    await join.reconcileStreams(allStreams());
    await ready;
  });
});

describe('the right to make a consumer', () => {
  const { stream, durable, filterSubject } = consumers.resourceAgents;
  const create = (name: string, filter: string) => `$JS.API.CONSUMER.CREATE.${stream}.${name}.${filter}`;
  const config = { ack_policy: 'explicit', deliver_policy: 'all' };
  const ask = async (user: RawUser, subject: string, body: object): Promise<{ error?: object }> =>
    (await user.nats.request(subject, JSON.stringify(body))).json();

  test('is for this name and this filter, whatever the body of the request says', async () => {
    await using user = await connectAs('resource', 's2');
    const subject = create(durable, filterSubject);
    const bodies = [
      { durable_name: 'other', filter_subject: filterSubject },
      { durable_name: durable },
      { durable_name: durable, filter_subject: 'evt.join.>' },
      { durable_name: durable, filter_subjects: [filterSubject, 'evt.join.*.authority.>'] },
    ];
    for (const body of bodies) {
      const { error } = await ask(user, subject, { stream_name: stream, config: { ...config, ...body } });
      expect(error, JSON.stringify(body)).toBeDefined();
    }
    const other = { durable_name: durable, filter_subject: filterSubject };
    const elsewhere = await ask(user, subject, {
      stream_name: 'EVT_RESOURCE',
      config: { ...config, ...other },
    });
    expect(elsewhere.error).toBeDefined();
    const own = await ask(user, subject, { stream_name: stream, config: { ...config, ...other } });
    expect(own.error).toBeUndefined();
  });

  test('is enough for the consumers that are declared', async () => {
    await using join = await busAs('join', 'j1');
    await using resource = await busAs('resource', 's3');
    const seen: string[] = [];
    await using consumption = resource.consume({
      ...consumers.resourceAgents,
      parking: memoryParking(),
      handler: async (message) => void seen.push(message.subject),
    });
    await consumption.ready;
    const subject = eventSubject('join', 'agent/b1', 'AgentJoined');
    await join.publishDurable(subject, { id: 'x' }, { msgId: 'b1' });
    await until('it was delivered', () => seen.includes(subject));
  });
});

describe('an agent', () => {
  test('gets answers on the subjects it may ask on, and is refused on others', async () => {
    service.subscribe(anyAgent.openView, { queue: 'resource' }, (message) =>
      message.respond({ subject: message.subject }),
    );
    await service.flush();
    await using bus = await busAs('kube', 'a1');
    expect(await bus.request(agentSubjects.openView('a1'), {})).toEqual({ subject: 'agent.a1.view.open' });
    await expect(bus.request(agentSubjects.openView('a2'), {})).rejects.toMatchObject({
      code: 'bus.forbidden',
    });
  });

  test('does not ask in haste for a view that its credential leaves out', async () => {
    const requests: string[] = [];
    for (const subject of [agentSubjects.openView('viewer'), agentSubjects.snapshot('viewer')]) {
      service.subscribe(subject, {}, (message) => {
        requests.push(message.subject);
        message.respond({ ok: true, hash: otherHash, entries: [], next: '' });
      });
    }
    await service.flush();
    await using bus = await busAs('kube', 'viewer');
    const before = bus.connection.nats.stats().outMsgs;
    await using forbidden = openView(bus, { agentId: 'viewer', selector: everything('role') });
    await until('its subscription was refused', () => bus.connection.nats.stats().inMsgs >= 0);
    await bus.flush();
    expect(forbidden.entries('role')).toEqual([]);
    expect(requests).toEqual([]);
    expect(bus.connection.nats.stats().outMsgs - before).toBeLessThan(5);
  });

  test('whose id is a wildcard has no more than its own subjects', async () => {
    await using user = await connectAs('kube', '*');
    const tried = [agentSubjects.heartbeat('*'), 'agent.a1.hb', 'agent.*.hb'];
    expect(await user.publishable(tried)).toEqual([agentSubjects.heartbeat('*')]);
    expect(await user.subscribable(['cmd.a1.>', 'cmd.*.>', 'cmd.>', '_INBOX.*.>'])).toEqual([]);
  });

  test('cannot answer a question that was not put to it', async () => {
    await using agent = await connectAs('kube', 'a9');
    await using inventory = await busAs('inventory', 'i2');
    const heard: Msg[] = [];
    agent.nats.subscribe('cmd.a9.>', { callback: (_, message) => void heard.push(message) });
    await agent.nats.flush();
    const asked = inventory.request('cmd.a9.served', {}, { timeoutMs: 300 }).catch((error: unknown) => error);
    await until('the command arrived', () => heard.length > 0);
    heard[0]!.respond('{}');
    expect(await asked).toMatchObject({ code: 'bus.timeout' });
  });
});

describe('credentials', () => {
  const busWith = (creds: { seed: string; jwt: string }) =>
    connectBus({ servers: nats.url, name: 'x', creds, inboxPrefix: inboxPrefix('a1'), patienceMs: 0 });
  const kube = { agentId: 'a1', ...users.kube };

  test('without the seed are refused', async () => {
    const stolen = { jwt: credentialsFor(operator, kube).jwt, seed: createUserKey().seed };
    await expect(busWith(stolen)).rejects.toMatchObject({ code: 'bus.unauthenticated' });
  });

  test('signed by another account are refused', async () => {
    const foreign = credentialsFor(createOperatorConfig(), { agentId: 'x', ...users.join });
    await expect(busWith(foreign)).rejects.toMatchObject({ code: 'bus.unauthenticated' });
  });

  test('that expired are refused', async () => {
    const old = credentialsFor(operator, kube, new Date(Date.now() - 1000));
    await expect(busWith(old)).rejects.toMatchObject({ code: 'bus.unauthenticated' });
  });

  test('that expire while connected are replaced by renewed ones', async () => {
    let asked = 0;
    const soon = credentialsFor(operator, kube, new Date(Date.now() + 1500));
    const later = credentialsFor(operator, kube);
    await using bus = await connectBus({
      servers: nats.url,
      name: 'renewing',
      inboxPrefix: inboxPrefix('a1'),
      creds: () => ((asked += 1) === 1 ? soon : later),
    });
    let reconnections = 0;
    bus.onReconnect(() => void (reconnections += 1));
    await until('it was reconnected', () => reconnections > 0);
    await bus.flush();
  });
});
