import { headers as natsHeaders } from '@nats-io/transport-node';
import { everything, selectorHash } from '@postern/contracts';
import { memoryParking, testNats, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  allStreams,
  type Bus,
  connectBus,
  consumers,
  factConsumers,
  createOperatorConfig,
  inboxPrefix,
  operatorServerConfig,
  type ParkedMessage,
  readEventLog,
  readViewPage,
  storeViewEntry,
  viewStorage,
} from '../src/index.ts';
import { credentialsFor, type RawUser, rawUser } from './support/bus-users.ts';
import { type UserName, users } from './support/subject-space.ts';

const operator = createOperatorConfig();
const hash = selectorHash(everything('role'));
const scope = new AsyncDisposableStack();
let nats: Awaited<ReturnType<typeof testNats>>;
let resource: Bus;
let edge: Bus;
let thief: RawUser;

const credsOf = (name: UserName, agentId: string) =>
  credentialsFor(operator, { agentId, ...users[name], views: [hash] });
const busAs = async (name: UserName, agentId: string): Promise<Bus> =>
  scope.use(
    await connectBus({
      servers: nats.url,
      name: agentId,
      creds: credsOf(name, agentId),
      inboxPrefix: inboxPrefix(agentId),
    }),
  );

beforeAll(async () => {
  nats = scope.use(await testNats({ config: operatorServerConfig(operator) }));
  await (await busAs('join', 'j1')).reconcileStreams(allStreams());
  resource = await busAs('resource', 'r1');
  edge = await busAs('edge', 'e1');
  thief = scope.use(await rawUser(nats, { agentId: 'i1', ...credsOf('inventory', 'i1') }));
});

afterAll(() => scope.disposeAsync());

const role = (id: string, rev: number) => ({
  kind: 'role',
  id,
  rev,
  revision: String(rev),
  resource: { kind: 'role', version: 'v8', metadata: { name: id }, spec: {} },
});
const event = (id: string) => ({
  id: '01933b7a-52f5-7d6c-8f5e-0a1b2c3d4e5f',
  stream: `role/${id}`,
  version: 9,
  type: 'ResourceUpserted',
  v: 1,
  data: { kind: 'role', id },
  meta: {},
  at: '2026-01-01T00:00:00.000Z',
});

/** Stores a message of one's own and has the server send it where one may not publish. */
async function smuggle(content: object, to: string, fields: Readonly<Record<string, string>> = {}) {
  const own = 'evt.inventory.00.x.y.Z';
  const headers = natsHeaders();
  for (const [name, value] of Object.entries(fields)) headers.set(name, value);
  thief.nats.publish(own, JSON.stringify(content), { headers });
  await until('it is stored', async () => {
    const answer = await thief.nats.request('$JS.API.DIRECT.GET.EVT_INVENTORY', `{"last_by_subj":"${own}"}`);
    return answer.string() === JSON.stringify(content);
  });
  thief.nats.publish('$JS.API.DIRECT.GET.EVT_INVENTORY', `{"last_by_subj":"${own}"}`, { reply: to });
  await thief.nats.flush();
}

describe('a service that has a message of its own copied to where it may not publish', () => {
  test('is not believed by readers of views, whatever fields it adds', async () => {
    const seen: string[] = [];
    edge.subscribe(`live.view.${hash}.*.role.>`, {}, (message) => void seen.push(message.text()));
    await edge.flush();
    const to = `live.view.${hash}.1.role.admin`;
    await smuggle(role('admin', 9), to);
    await smuggle(role('admin', 9), to, { 'Nats-Stream': 'VIEW', 'Nats-Sequence': '9' });
    await storeViewEntry(resource, { hash, generation: 1 }, role('last', 1));
    await until('the true entry is heard', () => seen.length > 0);
    expect(seen.map((text) => (JSON.parse(text) as { id: string }).id)).toEqual(['last']);
  });

  test('is not believed by consumers of events, nor by who reads their log', async () => {
    const taken: string[] = [];
    const parking = memoryParking<ParkedMessage>();
    await using consumption = resource.consume({
      ...consumers.resourceViews,
      parking,
      handler: async (message) => void taken.push(message.event().stream),
    });
    await consumption.ready;
    await smuggle(event('admin'), 'evt.resource.00.role.admin.ResourceUpserted');
    await until('it is in the log', async () => {
      const { state } = await (await resource.connection.manager()).streams.info('EVT_RESOURCE');
      return state.messages === 1;
    });
    await resource.publishDurable('evt.resource.00.role.last.ResourceUpserted', event('last'), {
      msgId: 'last',
    });
    await until('the true event is taken', () => taken.length > 0);
    expect(taken).toEqual(['role/last']);
    const { messages } = await readEventLog(resource, 'resource', { since: new Date(0) });
    expect(messages.map((message) => isEvent(() => message.event()))).toEqual([false, true]);
  });

  test('is not believed by who reads the stored view, and what it wrote over is written again', async () => {
    const place = { hash, generation: 7 };
    await storeViewEntry(resource, place, role('admin', 3));
    await storeViewEntry(resource, place, role('other', 3));
    await smuggle(role('admin', 9), `view.${hash}.7.role.admin`);
    await until('it lies there', async () => (await refusalOf(readViewPage(resource, place, ''))) !== '');
    expect(await refusalOf(readViewPage(resource, place, ''))).toBe('bus.foreign_entry');
    const { entries } = await viewStorage(resource).page(place, 0);
    expect(entries.map(({ id }) => id)).toEqual(['other']);
    await storeViewEntry(resource, place, role('admin', 3));
    expect((await readViewPage(resource, place, '')).entries.map(({ rev }) => rev)).toEqual([3, 3]);
    edge.connection.nats.publish('agent.e1.fact.KubeRequestAudited', '{}', {
      reply: `view.${hash}.7.role.admin`,
    });
    await until('it lies there', async () => (await refusalOf(readViewPage(resource, place, ''))) !== '');
  });

  test('cannot have facts of an edge delivered as something else', async () => {
    const seen: string[] = [];
    edge.subscribe(`live.view.${hash}.*.role.>`, {}, (message) => void seen.push(message.text()));
    await edge.flush();
    const { stream: kept } = await edge.publishDurable('agent.e1.fact.KubeRequestAudited', role('admin', 9), {
      msgId: 'f',
    });
    const { stream, durable, filterSubject } = factConsumers.find((lane) => lane.stream === kept)!;
    const config = { durable_name: durable, ack_policy: 'explicit', filter_subject: filterSubject };
    await thief.nats.request(
      `$JS.API.CONSUMER.CREATE.${stream}.${durable}.${filterSubject}`,
      JSON.stringify({ stream_name: stream, config }),
    );
    thief.nats.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, '{"batch":1,"expires":2000000000}', {
      reply: `live.view.${hash}.1.role.admin`,
    });
    await thief.nats.flush();
    await storeViewEntry(resource, { hash, generation: 1 }, role('last', 2));
    await until('the true entry is heard', () => seen.length > 0);
    expect(seen.map((text) => (JSON.parse(text) as { id: string }).id)).toEqual(['last']);
  });
});

function refusalOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => '',
    (error: { code?: string }) => error.code ?? 'other',
  );
}

function isEvent(read: () => unknown): boolean {
  try {
    return read() !== undefined;
  } catch {
    return false;
  }
}
