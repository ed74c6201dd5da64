import { createHash, randomBytes } from 'node:crypto';
import { recordingPartBytes } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { assertionHeader, HeldIdentity, type IdentityMaterial, signAssertion } from '@postern/identity';
import {
  type AwsRig,
  startAws,
  temporaryFolder,
  testNats,
  type TestNats,
  testPostgres,
  type TestPostgres,
} from '@postern/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Replica,
  send,
  startReplica,
  TestClusters,
  TestPolicy,
  TestTrust,
} from './support/inventory.ts';
import { stubAwsKey, uploadOf } from './support/recording-upload.ts';

let postgres: TestPostgres;
let nats: TestNats;
let aws: AwsRig;
let trust: TestTrust;
let edge: IdentityMaterial;
let policy: TestPolicy;

beforeAll(async () => {
  [postgres, nats, trust, aws] = await Promise.all([
    testPostgres(),
    testNats(),
    TestTrust.make(),
    startAws(),
  ]);
  stubAwsKey(aws);
  policy = new TestPolicy();
  policy.role('auditor', { allow: { rules: [{ resources: ['session'], verbs: ['list', 'read'] }] } });
  policy.role('lister', { allow: { rules: [{ resources: ['session'], verbs: ['list'] }] } });
  policy.user('alice');
  policy.user('bob');
  policy.user('ann', 'auditor');
  policy.user('lou', 'lister');
  edge = await trust.issue('svc', 'edge-1', ['Proxy']);
});

afterAll(async () => {
  await Promise.all([postgres, nats, aws].map((each) => each[Symbol.asyncDispose]()));
});

async function replica(recordingsStore = 'postgres', maxRecordingBytes = 4 * 1024 * 1024): Promise<Replica> {
  return startReplica({
    postgresUrl: postgres.url,
    natsUrl: nats.url,
    identity: new HeldIdentity(await trust.issue('svc', 'inventory-1', ['Auth'])),
    policy: policy.policy,
    clusters: new TestClusters(),
    config: { recordingsStore, maxRecordingBytes },
  });
}

async function upload(to: Replica, content: Buffer, about = uploadOf(content)): Promise<string> {
  const path = `/v1/recordings/${about.session.sessionId}`;
  const call = (method: string, at: string, body: object) => send(to.port, at, { as: edge, method, body });
  let { body } = await call('POST', path, about);
  while (Number(body['receivedBytes']) < content.length) {
    const offset = Number(body['receivedBytes']);
    const data = content.subarray(offset, offset + recordingPartBytes).toString('base64');
    ({ body } = await call('PUT', `${path}/parts/${offset}`, { data }));
  }
  ({ body } = await call('POST', path, about));
  expect(body).toEqual({ receivedBytes: content.length, isStored: true });
  return about.session.sessionId;
}

/** As the edge does it for a user that it knows. */
async function ask(to: Replica, path: string, user: string) {
  const { principal } = new HeldIdentity(await trust.issue('user', user)).current();
  const about = { principal, requestId: 'r', sourceIp: '203.0.113.1' };
  const token = await signAssertion(new HeldIdentity(edge).current(), about, {
    audience: 'inventory-svc',
    at: new Date(),
  });
  return send(to.port, path, { as: edge, method: 'GET', headers: { [assertionHeader]: token } });
}

async function contentOf(to: Replica, id: string, user = 'alice'): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let offset = 0; ;) {
    const { status, body } = await ask(to, `/v1/recordings/${id}/parts/${offset}`, user);
    expect(status).toBe(200);
    const part = Buffer.from(String(body['data']), 'base64');
    if (part.length === 0) return Buffer.concat(parts);
    parts.push(part);
    offset += part.length;
  }
}

async function seenBy(to: Replica, user: string, query = ''): Promise<string[]> {
  const { body } = await ask(to, `/v1/recordings?${query}`, user);
  return (body['recordings'] as { sessionId: string }[]).map(({ sessionId }) => sessionId);
}

const storeNames = {
  postgres: () => 'postgres',
  dir: () => `dir:${temporaryFolder()}/below`,
  s3: () => `s3://kept/below?region=eu-central-1&endpoint=${aws.s3Url}`,
};

describe.each(['postgres', 'dir', 's3'] as const)('a recording kept in %s', (kind) => {
  const storeName = storeNames[kind];

  test('comes back byte for byte, and is said in an event to be stored, once', async () => {
    await using one = await replica(storeName());
    const content = randomBytes(2 * recordingPartBytes + 1000);
    const about = uploadOf(content);
    const id = await upload(one, content, about);
    await upload(one, content, about);
    expect((await contentOf(one, id)).equals(content)).toBe(true);
    expect((await ask(one, `/v1/recordings/${id}`, 'alice')).body).toMatchObject({
      sha256: about.sha256,
      recording: { sessionId: id, user: 'alice', pod: 'web', command: 'sh', isComplete: true },
    });
    const events = await one.store.load(`kube_recording/${id}`);
    expect(events).toMatchObject([
      { type: 'KubeSessionRecorded', data: { sha256: about.sha256, edge: 'edge-1' } },
    ]);
  });

  test('whose parts were changed on their way is asked for again and not stored (R-07)', async () => {
    await using one = await replica(storeName());
    const about = uploadOf(Buffer.from('what was recorded'));
    const path = `/v1/recordings/${about.session.sessionId}`;
    const call = (method: string, at: string, body: object) => send(one.port, at, { as: edge, method, body });
    await call('POST', path, about);
    await call('PUT', `${path}/parts/0`, { data: Buffer.from('what was changed!').toString('base64') });
    expect((await call('POST', path, about)).body).toEqual({ receivedBytes: 0, isStored: false });
    expect((await ask(one, path, 'alice')).status).toBe(404);
    expect(await upload(one, Buffer.from('what was recorded'), about)).toBe(about.session.sessionId);
  });
});

describe('a recording kept in a bucket', () => {
  const placeOf = (id: string) => `/kept/below/${id}.cast`;
  /** Sends all of a recording, without asking for it to be stored, which `store` does. */
  const sent = async (to: Replica, content: Buffer) => {
    const about = uploadOf(content);
    const id = about.session.sessionId;
    const path = `/v1/recordings/${id}`;
    const store = (at: Replica) => send(at.port, path, { as: edge, method: 'POST', body: about });
    await store(to);
    const data = { data: content.toString('base64') };
    await send(to.port, `${path}/parts/0`, { as: edge, method: 'PUT', body: data });
    return { id, path, store };
  };
  const largeObjects = async ({ store }: Replica) => {
    const { rows } = await sql`select oid from pg_largeobject_metadata`.execute(store.db);
    return rows.length;
  };

  test('leaves nothing in Postgres', async () => {
    await using one = await replica(storeNames.s3());
    const before = await largeObjects(one);
    const content = randomBytes(1000);
    const id = await upload(one, content);
    expect(aws.s3.objects.get(placeOf(id))?.equals(content)).toBe(true);
    expect(await largeObjects(one)).toBe(before);
  });

  test('waits with its edge while the bucket takes nothing, and is stored by the next attempt', async () => {
    await using one = await replica(storeNames.s3());
    const content = Buffer.from('what was recorded');
    const { id, path, store } = await sent(one, content);
    aws.s3.failures = 3;
    const refused = await store(one);
    expect([refused.status, refused.body['code']]).toEqual([503, 'aws.s3_refused']);
    expect((await ask(one, path, 'alice')).status).toBe(404);
    expect((await store(one)).body).toEqual({ receivedBytes: content.length, isStored: true });
    expect((await contentOf(one, id)).equals(content)).toBe(true);
  });

  test('does not take the place of another, and is not said to be stored (R-07)', async () => {
    await using one = await replica(storeNames.s3());
    const { id, store } = await sent(one, Buffer.from('what was recorded'));
    const foreign = Buffer.from('what somebody put');
    aws.s3.objects.set(placeOf(id), foreign);
    const refused = await store(one);
    expect([refused.status, refused.body['code']]).toEqual([409, 'inventory.recording_differs']);
    expect(aws.s3.objects.get(placeOf(id))).toBe(foreign);
    expect(await one.store.load(`kube_recording/${id}`)).toEqual([]);
  });

  test('is stored once by two replicas at the same time', async () => {
    await using one = await replica(storeNames.s3());
    await using two = await replica(storeNames.s3());
    const content = randomBytes(1000);
    const { id, store } = await sent(one, content);
    await Promise.all([store(one), store(two)]);
    expect((await store(two)).body).toEqual({ receivedBytes: content.length, isStored: true });
    expect(await one.store.load(`kube_recording/${id}`)).toHaveLength(1);
  });
});

describe('recordings', () => {
  test('that were changed in the database are not what their event says (R-07, R-03)', async () => {
    await using one = await replica();
    const id = await upload(one, Buffer.from('what was recorded'));
    await sql`update recording set sha256 = 'x', username = 'alice' where session_id = ${id}`.execute(
      one.store.db,
    );
    await sql`select lo_put(content, 0, 'WHAT'::bytea) from recording where session_id = ${id}`.execute(
      one.store.db,
    );
    const content = await contentOf(one, id);
    const { body } = await ask(one, `/v1/recordings/${id}`, 'alice');
    expect(createHash('sha256').update(content).digest('hex')).not.toBe(body['sha256']);
    await expect(
      sql`update es_event set data = '{}' where stream = ${`kube_recording/${id}`}`.execute(one.store.db),
    ).rejects.toThrow();
  });

  test('are seen by those whose sessions they are, and by who may list or read sessions (L-14, R-08)', async () => {
    await using one = await replica();
    const own = await upload(
      one,
      Buffer.from('one'),
      uploadOf(Buffer.from('one'), { user: 'bob', cluster: 'seen' }),
    );
    const other = await upload(
      one,
      Buffer.from('two'),
      uploadOf(Buffer.from('two'), { user: 'alice', cluster: 'seen' }),
    );
    expect(await seenBy(one, 'bob', 'cluster=seen')).toEqual([own]);
    expect(await seenBy(one, 'bob', 'user=alice')).toEqual([]);
    for (const name of ['ann', 'lou'])
      expect(new Set(await seenBy(one, name, 'cluster=seen'))).toEqual(new Set([own, other]));
    expect((await ask(one, `/v1/recordings/${other}`, 'ann')).status).toBe(200);
    for (const [name, id] of [
      ['bob', other],
      ['lou', other],
      ['alice', own],
    ] as const) {
      for (const path of [`/v1/recordings/${id}`, `/v1/recordings/${id}/parts/0`]) {
        const { status, body } = await ask(one, path, name);
        expect([status, body['code']]).toEqual([404, 'inventory.recording_not_found']);
      }
    }
    expect((await ask(one, '/v1/recordings', 'nobody')).status).toBe(403);
  });

  test('come page by page, and no page tells of what it does not show (L-14)', async () => {
    await using one = await replica();
    const upload1 = (user: string) =>
      upload(one, Buffer.from(user), uploadOf(Buffer.from(user), { user, cluster: 'paged' }));
    const mine: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      mine.push(await upload1('bob'));
      await upload1('alice');
    }
    const first = await ask(one, '/v1/recordings?cluster=paged&limit=2', 'bob');
    const rest = await ask(
      one,
      `/v1/recordings?cluster=paged&limit=2&before=${encodeURIComponent(String(first.body['next']))}`,
      'bob',
    );
    const ids = [first, rest].flatMap(({ body }) =>
      (body['recordings'] as { sessionId: string }[]).map(({ sessionId }) => sessionId),
    );
    expect(new Set(ids)).toEqual(new Set(mine));
    expect(rest.body['next']).toBe('');
  });

  test('are taken from edges alone, each from its own, within a bound, and once', async () => {
    await using one = await replica('postgres', 1000);
    const about = uploadOf(Buffer.from('one'));
    const path = `/v1/recordings/${about.session.sessionId}`;
    const post = async (as: IdentityMaterial, body: object, at = path) =>
      (await send(one.port, at, { as, method: 'POST', body })).status;
    expect(await post(await trust.issue('agent', 'kube-1', ['Kube']), about)).toBe(403);
    expect(await post(await trust.issue('svc', 'join-1', ['Auth']), about)).toBe(403);
    expect(await post(edge, about, `/v1/recordings/${uuidv7()}`)).toBe(400);
    expect(await post(edge, uploadOf(Buffer.alloc(1001)))).toBe(400);
    expect(await post(edge, about)).toBe(200);
    expect(await post(await trust.issue('svc', 'edge-2', ['Proxy']), about)).toBe(409);
    expect(await post(edge, { ...about, sha256: 'f'.repeat(64) })).toBe(409);
    const part = { data: Buffer.from('one').toString('base64') };
    const put = async (offset: number) =>
      (await send(one.port, `${path}/parts/${offset}`, { as: edge, method: 'PUT', body: part })).status;
    expect(await put(1)).toBe(409);
    expect(await put(0)).toBe(200);
    expect(await put(0)).toBe(200);
    expect(await put(3)).toBe(409);
  });
});
