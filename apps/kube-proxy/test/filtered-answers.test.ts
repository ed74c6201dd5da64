import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ask, type Asker } from './support/ask.ts';
import { okJson, type Responder } from './support/echo-api-server.ts';
import { clusterPath, everythingAllowed, startEchoRig } from './support/rig.ts';

const item = (name: string, extra: Record<string, unknown> = {}) => ({
  metadata: { name, namespace: 'dev', ...extra },
});
const list = (...items: unknown[]) => ({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });

/** A head that announces chunks. */
const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

describe('an answer that is filtered', () => {
  let rig: Awaited<ReturnType<typeof startEchoRig>>;
  let alice: Asker;

  beforeAll(async () => {
    rig = await startEchoRig({ shape: 'together' });
    const rule = { kind: 'pods', api_group: '', namespace: 'dev', name: 'web-*', verbs: ['*'] };
    rig.role('limited', {
      allow: { ...everythingAllowed, kubernetes_groups: ['viewers'], kubernetes_resources: [rule] },
    });
    rig.user('alice', ['limited']);
    const base = `https://localhost:${rig.port}${clusterPath('c1')}`;
    alice = { base, ca: rig.pki.host.certificate, ...rig.alice };
  });
  beforeEach(() => {
    rig.echo.seen.length = 0;
    rig.echo.respond = okJson(list(item('web-1'), item('hidden')));
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  const pods = '/api/v1/namespaces/dev/pods';
  const respond = (responder: Responder) => (rig.echo.respond = responder);

  test('is asked for without compression, and refused when it is compressed all the same (L-03, K-12)', async () => {
    expect(JSON.parse((await ask(alice, pods)).body.toString())).toEqual(list(item('web-1')));
    expect(rig.echo.seen[0]?.headers).toContainEqual(['accept-encoding', 'identity']);
    const bomb = gzipSync(Buffer.alloc(10_000_000, 0x20));
    respond((_, socket) => {
      socket.write(
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`,
      );
      socket.write(bomb);
    });
    const { status, body } = await ask(alice, pods);
    expect([status, JSON.parse(body.toString()).message]).toEqual([
      503,
      expect.stringContaining('it is compressed'),
    ]);
  });

  test.each(['application/yaml', 'text/plain', 'application/cbor'])(
    'never passes as %s (L-01)',
    async (type) => {
      respond((_, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: 6\r\n\r\nhidden`);
      });
      const { status, body } = await ask(alice, pods);
      expect(status).toBe(503);
      expect(body.toString()).not.toContain('hidden');
    },
  );

  test('is cut where it stops being JSON, and is no whole answer to its client (L-12)', async () => {
    respond((_, socket) => {
      socket.write(head);
      socket.write(chunk('{"kind":"PodList","apiVersion":"v1","metadata":{},"items":['));
      for (let count = 0; count < 50; count += 1)
        socket.write(
          chunk(`${JSON.stringify(item(`web-${count}`, { labels: { x: 'x'.repeat(20_000) } }))},`),
        );
      socket.write(chunk('}}garbage'));
      socket.write('0\r\n\r\n');
    });
    const { status, isWhole, body } = await ask(alice, pods);
    expect([status, isWhole]).toEqual([200, false]);
    expect(() => JSON.parse(body.toString())).toThrow();
  });

  test('of three hundred megabytes takes no more memory than a short one (L-12, K-12, X-12)', async () => {
    const one = `${JSON.stringify(item('web-1', { labels: { x: 'x"}]{'.repeat(20_000) } }))},`;
    const part = Buffer.from(chunk(one));
    let left = Math.ceil(300_000_000 / part.length);
    respond((_, socket) => {
      socket.write(head);
      socket.write(chunk('{"items":['));
      const more = () => {
        while (left > 0) {
          left -= 1;
          if (!socket.write(part)) return void socket.once('drain', more);
        }
        socket.write(chunk(`${JSON.stringify(item('hidden'))}]}`));
        socket.write('0\r\n\r\n');
      };
      more();
    });
    const before = process.memoryUsage().rss;
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
    const { isWhole, bytes } = await ask(alice, pods, { isKept: false });
    clearInterval(watch);
    expect(isWhole).toBe(true);
    expect(bytes).toBeGreaterThan(300_000_000);
    // Server, edge and client are in this one process.
    expect(most - before).toBeLessThan(200_000_000);
  }, 60_000);

  test('keeps what visible objects say of others (L-10)', async () => {
    const told = { ownerReferences: [{ kind: 'ReplicaSet', name: 'hidden' }] };
    respond(okJson(list(item('web-1', told))));
    expect(JSON.parse((await ask(alice, pods)).body.toString())).toEqual(list(item('web-1', told)));
  });

  test.each([
    '?labelSelector=app%3Dx',
    '?fieldSelector=status.phase%3DRunning',
    '?fieldSelector=metadata.name%21%3Dweb-9',
    '?resourceVersion=0',
    '?limit=1',
  ])('is filtered the same with %s (L-07)', async (query) => {
    expect(JSON.parse((await ask(alice, pods + query)).body.toString())).toEqual(list(item('web-1')));
  });

  test('does not tell where a page would have begun that is gone (L-04, L-06)', async () => {
    const status = { kind: 'Status', code: 410, reason: 'Expired', metadata: { continue: 'a2V5L2hpZGRlbg' } };
    const text = JSON.stringify(status);
    respond((_, socket) => {
      socket.write(
        `HTTP/1.1 410 Gone\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
      );
    });
    const answer = await ask(alice, pods);
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([410, { ...status, metadata: {} }]);
  });

  test.each([
    ['get', `${pods}/hidden`, undefined],
    ['list', `${pods}?fieldSelector=metadata.name%3Dhidden`, undefined],
    ['create', pods, item('hidden')],
  ])(
    'is not even asked for to %s what is hidden, whether it exists or not (L-09)',
    async (_, path, object) => {
      const { status, body } = await ask(alice, path, object ? { object } : {});
      const refusal = JSON.parse(body.toString());
      expect([status, refusal.reason]).toEqual([403, 'Forbidden']);
      expect(rig.echo.seen).toEqual([]);
    },
  );
});
