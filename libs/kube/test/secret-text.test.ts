import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeApiServer, openPki, startKubeApiServer } from '@postern/lab';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiServer, type ApiServerSettings, type SecretPlace, secretText } from '../src/index.ts';
import { ask, objectOf } from '../src/probe.ts';

const scope = new AsyncDisposableStack();
let lab: KubeApiServer;
let dir: string;
let server: ApiServer;
let count = 0;
const path = '/api/v1/namespaces/default/secrets';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secret-text-'));
  scope.defer(() => rm(dir, { recursive: true, force: true }));
  lab = scope.use(await startKubeApiServer({ dir, durable: false }));
  server = apiServer({
    server: lab.url,
    ca: await readFile(lab.caFile, 'utf8'),
    clientCertificate: await readFile(lab.admin.cert, 'utf8'),
    clientKey: await readFile(lab.admin.key, 'utf8'),
  });
});
afterAll(() => scope.disposeAsync());

function apiServer(settings: ApiServerSettings): ApiServer {
  return scope.use(new ApiServer(settings, { mayConnect: () => true }));
}

/** A Secret of its own for each test. */
function placeFor(changes: Partial<SecretPlace> = {}): SecretPlace {
  count += 1;
  const annotations = { 'helm.sh/resource-policy': 'keep' };
  return {
    namespace: 'default',
    name: `agent-${count}-state`,
    key: '.ids.kube.current',
    annotations,
    manager: 'a',
    ...changes,
  };
}
const create = (name: string, data: object) =>
  ask(server, { path, body: JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, data }) });
const stored = async (name: string) =>
  objectOf(await ask(server, { path: `${path}/${name}` })) as {
    type: string;
    metadata: { annotations: object };
    data: Record<string, string>;
  };

describe('a value of a Secret', () => {
  test('is nothing where there is no Secret, no such key, or an empty one', async () => {
    const missing = placeFor();
    expect(await secretText(server, missing).read()).toBeUndefined();
    const other = placeFor();
    await create(other.name, { x: 'eA==' });
    expect(await secretText(server, other).read()).toBeUndefined();
    const empty = placeFor();
    await create(empty.name, { [empty.key]: '' });
    expect(await secretText(server, empty).read()).toBeUndefined();
  });

  test('makes the Secret where there is none, for the release to keep', async () => {
    const place = placeFor();
    const text = secretText(server, place);
    await text.write('one');
    await text.write('two');
    expect(await secretText(server, place).read()).toBe('two');
    expect(await stored(place.name)).toMatchObject({
      type: 'Opaque',
      metadata: { annotations: place.annotations },
      data: { [place.key]: Buffer.from('two').toString('base64') },
    });
  });

  test('leaves the other values alone, also those that change in between', async () => {
    const place = placeFor();
    const kube = secretText(server, place);
    const discovery = secretText(server, { ...place, key: '.ids.discovery.current' });
    await Promise.all([kube.read(), discovery.read()]);
    await Promise.all([kube.write('k1'), discovery.write('d1')]);
    await discovery.write('d2');
    await kube.write('k2');
    expect(await kube.read()).toBe('k2');
    expect(await discovery.read()).toBe('d2');
  });

  test('that somebody else wrote is not replaced (C-07)', async () => {
    const place = placeFor();
    const [one, copy] = [secretText(server, place), secretText(server, place)];
    await Promise.all([one.read(), copy.read()]);
    await one.write('of the one');
    await expect(copy.write('of the copy')).rejects.toMatchObject({ code: 'kube.secret_changed' });
    expect(await one.read()).toBe('of the one');
  });

  test('comes back when the Secret was deleted', async () => {
    const place = placeFor();
    const text = secretText(server, place);
    await text.write('one');
    await remove(place.name);
    await text.write('two');
    expect(await text.read()).toBe('two');
  });

  test('says which right is missing', async () => {
    const {
      clientCertificate: _,
      clientKey: __,
      ...nobody
    } = {
      server: lab.url,
      ca: await readFile(lab.caFile, 'utf8'),
      clientCertificate: '',
      clientKey: '',
    };
    const text = secretText(apiServer(nobody), placeFor());
    await expect(text.read()).rejects.toThrow(/may not get Secret .*get, create and patch/);
  });
});

test('a write whose answer was lost is not taken for that of somebody else (C-08)', async () => {
  const pki = await openPki(join(dir, 'fake-pki'));
  const serving = await pki.issue('fake', { commonName: 'fake', hosts: ['127.0.0.1'] });
  const secret = { version: 0, data: {} as Record<string, string> };
  let dropsAnswers = true;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = Buffer.concat(await request.toArray()).toString();
    const asked = (body ? JSON.parse(body) : {}) as {
      metadata?: { resourceVersion?: string };
      data?: object;
    };
    const over = asked.metadata?.resourceVersion;
    const isWrite = request.method !== 'GET';
    const isConflict = isWrite && (over ?? '0') !== String(secret.version);
    if (isConflict || (!isWrite && secret.version === 0)) {
      response.writeHead(isConflict ? 409 : 404).end('{}');
      return;
    }
    if (isWrite)
      Object.assign(secret, { version: secret.version + 1, data: { ...secret.data, ...asked.data } });
    if (isWrite && dropsAnswers) return void request.socket.destroy();
    response.end(
      JSON.stringify({ metadata: { resourceVersion: String(secret.version) }, data: secret.data }),
    );
  };
  const fake = createServer(
    { key: await readFile(serving.key), cert: await readFile(serving.cert) },
    (request, response) => void answer(request, response),
  ).listen(0, '127.0.0.1');
  scope.defer(() => void fake.close());
  await once(fake, 'listening');
  const url = `https://127.0.0.1:${(fake.address() as AddressInfo).port}`;
  const text = secretText(apiServer({ server: url, ca: await readFile(pki.ca.cert, 'utf8') }), placeFor());
  await expect(text.write('one')).rejects.toThrow();
  await expect(text.write('two')).rejects.toThrow();
  dropsAnswers = false;
  await text.write('three');
  expect(await text.read()).toBe('three');
});

async function remove(name: string): Promise<void> {
  const { requests: dispatcher, origin, host } = server;
  const headers = ['host', host];
  const { statusCode, body } = await request(`${origin}${path}/${name}`, {
    dispatcher,
    method: 'DELETE',
    headers,
  });
  await body.dump();
  expect(statusCode).toBe(200);
}
