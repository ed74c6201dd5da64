import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeApiServer, startKubeApiServer } from '@postern/lab';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bytesField, fieldsOf, protobufObject, textField } from '../src/request/protobuf.ts';
import { ask, type Asker } from './support/ask.ts';
import { clusterPath, everythingAllowed, type Rig, startRig } from './support/rig.ts';

const protobuf = 'application/vnd.kubernetes.protobuf';
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const partial = 'as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';

const dir = mkdtempSync(join(tmpdir(), 'postern-lists-'));
let server: KubeApiServer;
let rig: Rig;
let direct: Asker;
let limited: Asker;
let other: Asker;

/** What the rules of the limited user say, once more. */
const isSeen = (resource: string, namespace: string, name: string): boolean =>
  resource === 'namespaces' ? name === 'dev' : namespace === 'dev' && /^(web-.*|db)$/.test(name);

beforeAll(async () => {
  server = await startKubeApiServer({ dir: join(dir, 'kube'), durable: false });
  const [ca, cert, key] = [server.caFile, server.admin.cert, server.admin.key].map((file) =>
    readFileSync(file),
  ) as [Buffer, Buffer, Buffer];
  direct = { base: server.url, ca, cert, key };
  rig = await startRig({ shape: 'split' });
  const data = (pem: Buffer) => pem.toString('base64');
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x',
    clusters: [{ name: 'x', cluster: { server: server.url, 'certificate-authority-data': data(ca) } }],
    users: [{ name: 'x', user: { 'client-certificate-data': data(cert), 'client-key-data': data(key) } }],
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
  };
  await rig.cluster('real', JSON.stringify(kubeconfig), {});
  limited = await as('limited');
  other = await as('other');
  await plant();
}, 180_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function as(user: string, more: readonly string[] = []): Promise<Asker> {
  const only = ['web-*', '^db$', ...more].flatMap((name) =>
    ['configmaps', 'secrets', 'pods'].map((kind) => ({
      kind,
      api_group: '',
      namespace: 'dev',
      name,
      verbs: ['list', 'watch'],
    })),
  );
  rig.role(`${user}-role`, {
    allow: { ...everythingAllowed, kubernetes_groups: ['editors'], kubernetes_resources: only },
  });
  rig.user(user, [`${user}-role`]);
  const { cert, key } = await rig.pki.person(user);
  const base = `https://localhost:${rig.port}${clusterPath('real')}`;
  return { base, ca: rig.pki.host.certificate, cert, key };
}

async function plant(): Promise<void> {
  const put = async (path: string, object: Record<string, unknown>) => {
    const { status, body } = await ask(direct, path, { object });
    if (status >= 300) throw new Error(`${path}: ${body.toString()}`);
  };
  await put('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'editors' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'editors' }],
  });
  for (const namespace of ['dev', 'prod']) {
    await put('/api/v1/namespaces', { metadata: { name: namespace } });
    const at = `/api/v1/namespaces/${namespace}`;
    await put(`${at}/serviceaccounts`, { metadata: { name: 'default' } });
    for (const name of ['web-1', 'db', 'dbx', 'hidden', 'web-2']) {
      // Long enough to come in several chunks, with everything in it that could mislead a scanner.
      const data = { text: `"}],{\\"name\\":\\"web-9\\"\\\\ ü\n`.repeat(1000) };
      await put(`${at}/configmaps`, { metadata: { name }, data });
      await put(`${at}/secrets`, { metadata: { name }, stringData: data });
      const containers = [{ name: 'c', image: 'x', env: [{ name: 'a', value: data.text.slice(0, 500) }] }];
      await put(`${at}/pods`, {
        metadata: { name },
        spec: { containers, automountServiceAccountToken: false },
      });
    }
  }
}

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
}
interface KubeObject {
  readonly metadata: Metadata;
}
interface JsonAnswer {
  readonly kind: string;
  readonly metadata: Record<string, unknown>;
  readonly items?: readonly KubeObject[];
  readonly columnDefinitions?: unknown;
  readonly rows?: readonly { readonly cells: unknown; readonly object: KubeObject | null }[];
}

const resources = ['configmaps', 'secrets', 'pods', 'namespaces'];
const seenOf = (resource: string, { metadata: { namespace = '', name } }: KubeObject) =>
  isSeen(resource, namespace, name);

/** The API server's cache gives its objects in any order. */
function byName<T>(all: readonly T[], objectOf: (each: T) => KubeObject): T[] {
  return all.toSorted((a, b) => objectOf(a).metadata.name.localeCompare(objectOf(b).metadata.name));
}

/** What is left of a direct answer when a slow reference has filtered it. */
function reference(resource: string, answer: JsonAnswer): Partial<JsonAnswer> {
  const { kind, items, rows, columnDefinitions } = answer;
  return {
    kind,
    ...(columnDefinitions === undefined ? {} : { columnDefinitions }),
    ...(items ? { items: items.filter((item) => seenOf(resource, item)) } : {}),
    ...(rows ? { rows: rows.filter(({ object }) => object && seenOf(resource, object)) } : {}),
  };
}

/** Rows of Tables say how old objects are, which is another a moment later. */
const parsed = (body: Buffer): JsonAnswer =>
  JSON.parse(body.toString().replaceAll(/"(?:\d+[smhd])+"/g, '"age"'));

const withoutVersion = ({ metadata: _metadata, ...answer }: JsonAnswer & { apiVersion?: string }) => {
  const { apiVersion: _version, ...rest } = answer;
  return rest;
};

describe('lists of a real API server, through edge and agent', () => {
  const cases = resources.flatMap((resource) =>
    ['application/json', table, `application/json;${partial}`].map((accept) => [resource, accept] as const),
  );

  test.each(cases)('of %s as %s hold what may be seen (L-01, L-02, L-11)', async (resource, accept) => {
    const path = `/api/v1/${resource}`;
    const [all, some] = await Promise.all([ask(direct, path, { accept }), ask(limited, path, { accept })]);
    expect([some.status, some.isWhole, some.type]).toEqual([200, true, all.type]);
    const wanted = reference(resource, parsed(all.body));
    expect(withoutVersion(parsed(some.body))).toEqual(wanted);
    expect((wanted.items ?? wanted.rows)?.length).toBe(resource === 'namespaces' ? 1 : 3);
  });

  test.each(['None', 'Metadata', 'Object'])('of pods as a Table with objects %s (L-02)', async (include) => {
    const path = `/api/v1/pods?includeObject=${include}`;
    const full = parsed((await ask(direct, '/api/v1/pods?includeObject=Object', { accept: table })).body);
    const all = parsed((await ask(direct, path, { accept: table })).body);
    const some = await ask(limited, path, { accept: table });
    const rows = all.rows!.filter((_, index) => seenOf('pods', full.rows![index]!.object!));
    expect(rows).toHaveLength(3);
    expect(withoutVersion(parsed(some.body))).toEqual(withoutVersion({ ...all, rows }));
  });

  /** Kind and items of a list in protobuf. */
  const itemsOf = (body: Buffer) => {
    const items = [...fieldsOf(protobufObject(body))]
      .filter(({ field }) => field === 2)
      .map(({ bytes }) => bytes!);
    const named = items.map((item) => {
      const metadata = bytesField(item, 1)!;
      return {
        metadata: { name: textField(metadata, 1), namespace: textField(metadata, 3) },
        item: item.toString('hex'),
      };
    });
    const kind = textField(bytesField(body.subarray(4), 1)!, 2);
    return { kind, named };
  };

  test.each(
    resources.flatMap((resource) =>
      [protobuf, `${protobuf};${partial}`].map((accept) => [resource, accept] as const),
    ),
  )('of %s as %s hold what may be seen (L-01)', async (resource, accept) => {
    const path = `/api/v1/${resource}`;
    const [all, some] = await Promise.all([ask(direct, path, { accept }), ask(limited, path, { accept })]);
    expect([some.status, some.isWhole, some.type]).toEqual([200, true, all.type]);
    const wanted = itemsOf(all.body);
    const named = wanted.named.filter((each) => seenOf(resource, each));
    expect(itemsOf(some.body)).toEqual({ kind: wanted.kind, named });
    expect(named.length).toBe(resource === 'namespaces' ? 1 : 3);
  });

  test('are the same by ten thousand rules, which no header could hold (L-12, X-07)', async () => {
    // Names of a kind that does not compress.
    const names = Array.from({ length: 3300 }, () => `${randomUUID()}-*`);
    const many = await as('many', names);
    const path = '/api/v1/pods';
    for (const accept of ['application/json', protobuf]) {
      for (const _ of ['sent', 'known']) {
        const [few, some] = await Promise.all([ask(limited, path, { accept }), ask(many, path, { accept })]);
        expect([some.status, some.body.equals(few.body)]).toEqual([200, true]);
      }
    }
    const events = await ask(many, `${path}?watch=true&resourceVersion=0&timeoutSeconds=1`);
    expect(events.body.toString().trimEnd().split('\n')).toHaveLength(3);
  });

  test('are in protobuf in pages, and in JSON whole, for who takes both (L-12)', async () => {
    const accept = `${protobuf},application/json`;
    expect((await ask(limited, '/api/v1/pods?limit=5', { accept })).type).toBe(protobuf);
    expect((await ask(limited, '/api/v1/pods', { accept })).type).toBe('application/json');
  });

  test.each(['application/yaml', 'application/cbor', 'text/html'])(
    'are not there as %s (L-01)',
    async (accept) => {
      const { status, body } = await ask(limited, '/api/v1/pods', { accept });
      expect([status, JSON.parse(body.toString()).reason]).toEqual([406, 'NotAcceptable']);
    },
  );
});

describe('pages of a real API server', () => {
  const page = async (who: Asker, query: string, accept = 'application/json') => {
    const { status, body } = await ask(who, `/api/v1/configmaps?limit=2${query}`, { accept });
    return { status, answer: JSON.parse(body.toString()) as JsonAnswer & { reason?: string } };
  };
  const tokenOf = ({ answer }: Awaited<ReturnType<typeof page>>) =>
    (answer.metadata['continue'] ?? '') as string;
  const then = (token: string) => `&continue=${encodeURIComponent(token)}`;

  test('come to the end, tell no hidden name and no count (L-04)', async () => {
    const names: string[] = [];
    let token = '';
    for (let pages = 0; pages < 20; pages += 1) {
      const { answer } = await page(limited, token === '' ? '' : then(token));
      names.push(...answer.items!.map(({ metadata: { namespace, name } }) => `${namespace}/${name}`));
      expect(Object.keys(answer.metadata)).not.toContain('remainingItemCount');
      token = (answer.metadata['continue'] ?? '') as string;
      expect(Buffer.from(token, 'base64').toString()).not.toMatch(/start|dev|prod|hidden/);
      if (token === '') break;
    }
    expect(names).toEqual(['dev/db', 'dev/web-1', 'dev/web-2']);
  });

  test('are only for whom they were made, and for the same list (L-04, L-07)', async () => {
    const token = tokenOf(await page(limited, ''));
    expect((await page(limited, then(token))).status).toBe(200);
    expect(await page(other, then(token))).toMatchObject({ status: 410, answer: { reason: 'Expired' } });
    expect((await page(limited, `${then(token)}&labelSelector=a%3Db`)).status).toBe(410);
    expect((await page(limited, `${then(token)}&fieldSelector=metadata.namespace%3Dprod`)).status).toBe(410);
    expect((await page(limited, then(`${token.slice(0, -2)}AA`))).status).toBe(410);
  });

  test('are not asked for with a token that the client made itself (L-04)', async () => {
    const own = tokenOf(await page(direct, ''));
    expect(Buffer.from(own, 'base64').toString()).toContain('start');
    expect(await page(limited, then(own))).toMatchObject({ status: 410, answer: { reason: 'Expired' } });
  });
});

describe('watches of a real API server', () => {
  const path = (resource: string, query = '') =>
    `/api/v1/${resource}?watch=true&resourceVersion=0&timeoutSeconds=1${query}`;
  const lines = (body: Buffer) =>
    body
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; object: KubeObject & JsonAnswer });

  test.each(resources)('of %s show events in JSON about what may be seen (L-05, L-11)', async (resource) => {
    const [all, some] = await Promise.all([ask(direct, path(resource)), ask(limited, path(resource))]);
    const wanted = lines(all.body).filter(({ object }) => seenOf(resource, object));
    expect(byName(lines(some.body), ({ object }) => object)).toEqual(byName(wanted, ({ object }) => object));
    expect(wanted.length).toBe(resource === 'namespaces' ? 1 : 3);
  });

  test.each(['None', 'Metadata', 'Object'])(
    'show rows of Tables with objects %s (L-02, L-05)',
    async (include) => {
      const asked = path('pods', `&includeObject=${include}`);
      const some = lines((await ask(limited, asked, { accept: table })).body);
      expect(
        some
          .map(({ object }) => String((object.rows![0]!.cells as string[])[0]))
          .toSorted((a, b) => a.localeCompare(b)),
      ).toEqual(['db', 'web-1', 'web-2']);
      const [{ object: first }, ...later] = some as [(typeof some)[0], ...typeof some];
      expect(first.columnDefinitions).not.toBeNull();
      for (const { object } of later) expect(object.columnDefinitions).toBeNull();
      for (const { object } of some) expect(object.rows![0]!.object === null).toBe(include === 'None');
    },
  );

  /** Events of a watch in protobuf. */
  const frames = (body: Buffer) => {
    const events: { type: string; metadata: Metadata; event: string }[] = [];
    for (let at = 0; at < body.length;) {
      const event = body.subarray(at + 4, at + 4 + body.readUInt32BE(at));
      at += 4 + event.length;
      const object = protobufObject(bytesField(bytesField(event, 2)!, 1)!);
      const metadata = bytesField(object, 1)!;
      const [name, namespace] = [textField(metadata, 1), textField(metadata, 3)];
      events.push({ type: textField(event, 1), metadata: { name, namespace }, event: event.toString('hex') });
    }
    return events;
  };

  test.each(resources)('of %s show events in protobuf about what may be seen (L-05)', async (resource) => {
    const accept = `${protobuf},application/json`;
    const [all, some] = await Promise.all([
      ask(direct, path(resource), { accept }),
      ask(limited, path(resource), { accept }),
    ]);
    expect(some.type).toBe(`${protobuf};stream=watch`);
    const wanted = frames(all.body).filter((event) => seenOf(resource, event));
    expect(byName(frames(some.body), (event) => event)).toEqual(byName(wanted, (event) => event));
    expect(wanted.length).toBe(resource === 'namespaces' ? 1 : 3);
  });
});

describe('discovery of a real API server', () => {
  const aggregated = (version: string) =>
    `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList,application/json`;

  test.each([
    ['/api', 'application/json'],
    ['/apis', aggregated('v2')],
    ['/apis', aggregated('v2beta1')],
    ['/apis/apps/v1', 'application/json'],
    ['/openapi/v2', 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'],
    ['/version', 'application/json'],
  ])('%s as %s is the same for everybody who may reach the cluster (L-08)', async (path, accept) => {
    const [all, some] = await Promise.all([ask(direct, path, { accept }), ask(limited, path, { accept })]);
    expect([some.status, some.type, some.body.equals(all.body)]).toEqual([200, all.type, true]);
  });
});
