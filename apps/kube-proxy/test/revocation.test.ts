import { X509Certificate } from 'node:crypto';
import { connect } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { claimsOf } from '@postern/identity';
import { Agent, request } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ClientCertificate } from './support/identities.ts';
import {
  at,
  dial,
  echoKubeconfig,
  everythingAllowed,
  raw,
  rawOn,
  startEchoRig,
  until,
} from './support/rig.ts';

type EchoRig = Awaited<ReturnType<typeof startEchoRig>>;

const event =
  '{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"web-1","namespace":"dev","resourceVersion":"1"}}}\n';
const watchPath = at('c1', '/api/v1/namespaces/dev/pods?watch=1');

function sessionOf({ cert }: ClientCertificate): string {
  return claimsOf(new X509Certificate(cert)).session!;
}

interface OpenStream {
  text: string;
  isClosed: boolean;
}

describe.each(['together', 'split', 'hop'] as const)('open streams, edge and agent %s', (shape) => {
  let rig: EchoRig;
  let upstream: TLSSocket[] = [];
  beforeEach(async () => {
    rig = await startEchoRig({ shape });
    upstream = [];
    rig.echo.respond = ({ requestLine }, socket) => {
      upstream.push(socket);
      if (requestLine.includes('/exec')) {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n',
        );
        return;
      }
      socket.write(
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${event.length.toString(16)}\r\n${event}\r\n`,
      );
    };
  });
  afterEach(() => rig[Symbol.asyncDispose]());

  const open = async (head: string, client: ClientCertificate = rig.alice): Promise<OpenStream> => {
    const socket = await dial(rig, client);
    const stream: OpenStream = { text: '', isClosed: false };
    socket.on('data', (chunk) => (stream.text += chunk.toString('latin1')));
    socket.on('close', () => (stream.isClosed = true));
    socket.on('error', () => undefined);
    socket.write(head);
    await until(
      () => stream.text.includes('web-1') || stream.text.includes(' 101 '),
      `an answer, not ${stream.text}`,
    );
    return stream;
  };
  const openWatch = (client?: ClientCertificate) =>
    open(`GET ${watchPath} HTTP/1.1\r\nHost: edge\r\n\r\n`, client);
  const openExec = () =>
    open(
      `POST ${at('c1', '/api/v1/namespaces/dev/pods/web-1/exec?command=sh')} HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n`,
    );
  /** The watch ended, with an ERROR event or a cut; the exec's connection is gone. Both within two seconds. */
  const expectCut = async (watch: OpenStream, exec: OpenStream) => {
    await until(() => exec.isClosed, 'the exec is cut', 2000);
    await until(() => watch.isClosed || watch.text.includes('\r\n0\r\n\r\n'), 'the watch has ended', 2000);
    await until(() => rig.edge.role.open.size === 0, 'nothing is open', 2000);
    await until(
      () => upstream.length === 2 && upstream.every(({ destroyed }) => destroyed),
      'upstream connections are gone',
      2000,
    );
  };

  test.each<[string, (rig: EchoRig) => void]>([
    [
      'a role that was changed',
      ({ role }) =>
        role('viewer', {
          allow: {
            ...everythingAllowed,
            kubernetes_groups: ['viewers'],
            kubernetes_resources: [
              { kind: 'pods', api_group: '', namespace: 'prod', name: '*', verbs: ['*'] },
            ],
          },
        }),
    ],
    [
      'a role that gives another group',
      ({ role }) => role('viewer', { allow: { ...everythingAllowed, kubernetes_groups: ['others'] } }),
    ],
    [
      'a deny rule in a second role',
      ({ role, user }) => {
        role('no-dev', {
          deny: {
            kubernetes_resources: [
              { kind: 'pods', api_group: '', namespace: 'dev', name: '*', verbs: ['*'] },
            ],
          },
        });
        user('alice', ['viewer', 'no-dev']);
      },
    ],
    ['a user without roles', ({ user }) => user('alice', [])],
    ['a user that was removed', ({ removeUser }) => removeUser('alice')],
    ['a lock on the user', ({ lock }) => lock('l1', { target: { user: 'alice' } })],
    ['a lock on a role of the user', ({ lock }) => lock('l1', { target: { role: 'viewer' } })],
    ['a lock on the cluster', ({ lock }) => lock('l1', { target: { kube_cluster: 'c1' } })],
    [
      'a lock on the agent that they go through',
      ({ lock }) => lock('l1', { target: { server_id: shape === 'together' ? 'edge-1' : 'agent-1' } }),
    ],
    ['a cluster that was removed', ({ resources }) => resources.remove('kube_cluster', 'c1')],
  ])('end soon after %s (A-06, W-14)', async (_, change) => {
    const watch = await openWatch();
    const exec = await openExec();
    change(rig);
    await expectCut(watch, exec);
  });

  test('end soon after the labels of the cluster stop matching (A-05, A-06)', async () => {
    rig.role('viewer', {
      allow: { ...everythingAllowed, kubernetes_labels: { env: ['dev'] }, kubernetes_groups: ['viewers'] },
    });
    await rig.cluster('c1', echoKubeconfig(rig.echo), { env: 'dev' });
    await until(() => rig.edge.role.open.size === 0, 'nothing is open');
    const watch = await openWatch();
    const exec = await openExec();
    rig.resources.put({
      kind: 'kube_cluster',
      version: 'v3',
      metadata: { name: 'c1', labels: { env: 'prod' } },
      spec: {},
    });
    await expectCut(watch, exec);
  });

  test('end when the session is locked, and those of other sessions and users do not', async () => {
    rig.user('bob', ['viewer']);
    const watch = await openWatch();
    const exec = await openExec();
    const others = [
      await openWatch(await rig.pki.person('alice')),
      await openWatch(await rig.pki.person('bob')),
    ];
    rig.lock('l1', { target: { session: sessionOf(rig.alice) }, message: 'signed out' });
    await until(() => exec.isClosed, 'the exec is cut', 2000);
    await until(() => watch.text.includes('"ERROR"'), 'the watch says why', 2000);
    expect(watch.text).toContain('is locked: signed out');
    await rig.edge.role.open.recheck();
    expect(rig.edge.role.open.size).toBe(2);
    expect(others.map(({ isClosed }) => isClosed)).toEqual([false, false]);
  });

  test('are not opened under a lock, and again after its end without anybody doing anything', async () => {
    const get = () => raw(rig, rig.alice, `GET ${at('c1', '/api/v1/pods')} HTTP/1.1\r\nHost: edge\r\n\r\n`);
    const expires = new Date(Date.now() + 1500).toISOString();
    rig.lock('l1', { target: { role: 'viewer' }, message: 'incident 7', expires });
    const refused = await get();
    expect(refused).toContain('HTTP/1.1 403');
    expect(refused).toContain('role \\"viewer\\" is locked: incident 7');
    await expect.poll(get, { timeout: 5000 }).toContain('HTTP/1.1 200');
  });

  test('are not opened through a locked agent, which is said', async () => {
    rig.lock('l1', { target: { server_id: shape === 'together' ? 'edge-1' : 'agent-1' }, message: 'stolen' });
    const path = at('c1', '/api/v1/pods');
    const refused = await raw(rig, rig.alice, `GET ${path} HTTP/1.1\r\nHost: edge\r\n\r\n`);
    expect(refused).toContain('HTTP/1.1 503');
    expect(refused).toContain('is locked: stolen');
    expect(rig.edge.role.open.size).toBe(0);
    rig.unlock('l1');
    const again = () => raw(rig, rig.alice, `GET ${path} HTTP/1.1\r\nHost: edge\r\n\r\n`);
    await expect.poll(again, { timeout: 10_000 }).toContain('HTTP/1.1 200');
  });

  test('are not opened any more right after a change of access (A-07)', async () => {
    const path = at('c1', '/api/v1/pods');
    const status = async () =>
      (await raw(rig, rig.alice, `GET ${path} HTTP/1.1\r\nHost: edge\r\n\r\n`)).split('\r\n')[0];
    expect(await status()).toBe('HTTP/1.1 200 OK');
    rig.user('alice', []);
    expect(await status()).toBe('HTTP/1.1 403 Forbidden');
    rig.user('alice', ['viewer']);
    expect(await status()).toBe('HTTP/1.1 200 OK');
    rig.lock('l1', { target: { user: 'alice' } });
    expect(await status()).toBe('HTTP/1.1 403 Forbidden');
  });

  test('are recorded with the policy that they were decided by, and not with one that came later (A-09)', async () => {
    let answer = () => undefined as void;
    rig.echo.respond = (_, socket) => {
      answer = () => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
    };
    const path = at('c1', '/api/v1/namespaces/dev/pods');
    const socket = await dial(rig, rig.alice);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: edge\r\n\r\n`);
    await until(() => rig.echo.seen.length === 1, 'the request is at the API server');
    rig.user('bob', []);
    answer();
    const revisions = () => rig.bus.facts.map(({ data }) => [data['path'], data['policyRevision']]);
    await until(() => revisions().some(([each]) => each === '/api/v1/namespaces/dev/pods'), 'the record');
    const before = revisions().find(([each]) => each === '/api/v1/namespaces/dev/pods')![1];
    rig.echo.respond = (_, other) => void other.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
    await raw(
      rig,
      rig.alice,
      `GET ${at('c1', '/api/v1/namespaces/dev/secrets')} HTTP/1.1\r\nHost: edge\r\n\r\n`,
    );
    await until(
      () => revisions().some(([each]) => each === '/api/v1/namespaces/dev/secrets'),
      'the other record',
    );
    const after = revisions().find(([each]) => each === '/api/v1/namespaces/dev/secrets')![1];
    expect(Number(after)).toBe(Number(before) + 1);
    socket.destroy();
  });

  test('are not opened by resuming a TLS session, as none is resumed, before a lock or after (C-10)', async () => {
    const get = `GET ${at('c1', '/api/v1/pods')} HTTP/1.1\r\nHost: edge\r\n\r\n`;
    const first = await dial(rig, rig.alice);
    const ticket = new Promise<Buffer>((resolve) => void first.once('session', resolve));
    first.on('error', () => undefined);
    first.write(get);
    const session = await ticket;
    const resume = async () => {
      const resumed = await dial(rig, rig.alice, rig.port, session);
      return { isReused: resumed.isSessionReused(), text: await rawOn(resumed, get) };
    };
    const before = await resume();
    rig.lock('l1', { target: { user: 'alice' } });
    const after = await resume();
    expect([before.isReused, after.isReused]).toEqual([false, false]);
    expect([before.text, after.text].map((text) => text.split('\r\n')[0])).toEqual([
      'HTTP/1.1 200 OK',
      'HTTP/1.1 403 Forbidden',
    ]);
    first.destroy();
  });

  test('end when the certificate does (C-09)', async () => {
    const alice = await rig.pki.person('alice', { ttlMs: 1500 });
    const watch = await openWatch(alice);
    await until(() => watch.isClosed || watch.text.includes('\r\n0\r\n\r\n'), 'the watch has ended', 4000);
    expect(watch.text).toContain('certificate has expired');
  });

  test('of a watch end with an event that says why', async () => {
    const watch = await openWatch();
    rig.user('alice', []);
    await until(() => watch.text.includes('ERROR'), 'an ERROR event', 2000);
    const line = watch.text.split('\r\n').find((part) => part.includes('"ERROR"'))!;
    expect(JSON.parse(line)).toMatchObject({
      type: 'ERROR',
      object: { kind: 'Status', code: 403, reason: 'Forbidden' },
    });
  });

  test('stay open when a change leaves the decision as it was', async () => {
    const watch = await openWatch();
    rig.role('viewer', {
      allow: { ...everythingAllowed, kubernetes_groups: ['viewers'] },
      deny: { kubernetes_groups: ['other'] },
    });
    rig.user('bob', ['viewer']);
    rig.resources.put({
      kind: 'kube_cluster',
      version: 'v3',
      metadata: { name: 'c2', labels: {} },
      spec: {},
    });
    await rig.edge.role.open.recheck();
    expect(watch.isClosed).toBe(false);
    expect(rig.edge.role.open.size).toBe(1);
  });

  test('over HTTP/2 end as well', async () => {
    const session = connect(`https://127.0.0.1:${rig.port}`, {
      ca: rig.pki.host.certificate,
      ...rig.alice,
      checkServerIdentity: () => undefined,
    });
    const stream = session.request({ ':path': watchPath });
    let text = '';
    let isClosed = false;
    stream
      .setEncoding('utf8')
      .on('data', (chunk: string) => (text += chunk))
      .on('close', () => (isClosed = true))
      .on('error', () => undefined);
    await until(() => text.includes('web-1'), 'an event');
    rig.user('alice', []);
    await until(() => isClosed, 'the stream is closed', 2000);
    expect(text).toContain('"ERROR"');
    session.destroy();
  });

  test('of clients that left are closed at the API server too', async () => {
    const socket = await dial(rig, rig.alice);
    socket.on('error', () => undefined);
    socket.write(`GET ${watchPath} HTTP/1.1\r\nHost: edge\r\n\r\n`);
    await until(() => rig.edge.role.open.size === 1 && rig.echo.seen.length === 1, 'the watch is open');
    socket.destroy();
    await until(
      () => rig.edge.role.open.size === 0 && upstream.every(({ destroyed }) => destroyed),
      'the watch is closed',
    );
  });

  test('end when the policy was not heard of for longer than streams may go on (A-08)', async () => {
    const watch = await openWatch();
    const exec = await openExec();
    rig.policy.ageMs = 901_000;
    await expectCut(watch, exec);
    expect(watch.text).toContain('could not be refreshed for too long');
  });

  test('are refused when the policy is too old, while those that are open go on (A-08)', async () => {
    const watch = await openWatch();
    rig.policy.ageMs = 301_000;
    const dispatcher = new Agent({
      connect: { ca: rig.pki.host.certificate, ...rig.alice, checkServerIdentity: () => undefined },
    });
    const { statusCode, body } = await request(`https://127.0.0.1:${rig.port}${at('c1', '/api/v1/pods')}`, {
      dispatcher,
    });
    expect(statusCode).toBe(503);
    expect(await body.json()).toMatchObject({ kind: 'Status', code: 503, reason: 'ServiceUnavailable' });
    await rig.edge.role.open.recheck();
    expect(watch.isClosed).toBe(false);
    await dispatcher.destroy();
  });
});
