import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { okJson } from './support/echo-api-server.ts';
import { at, dial, raw, rawOn, startEchoRig, until } from './support/rig.ts';

type EchoRig = Awaited<ReturnType<typeof startEchoRig>>;

const pods = at('c1', '/api/v1/namespaces/dev/pods');
const secrets = at('c1', '/api/v1/namespaces/kube-system/secrets');
const marker = `GET ${secrets} HTTP/1.1\r\nHost: edge\r\n\r\n`;

let rig: EchoRig;
beforeAll(async () => {
  rig = await startEchoRig();
  rig.role('viewer', {
    allow: {
      kubernetes_labels: { '*': '*' },
      kubernetes_groups: ['viewers'],
      kubernetes_resources: [{ kind: 'pods', api_group: '', namespace: 'dev', name: '*', verbs: ['*'] }],
    },
  });
});
afterAll(() => rig[Symbol.asyncDispose]());
beforeEach(() => {
  rig.echo.seen.length = 0;
  rig.echo.respond = okJson({ kind: 'Pod' });
});

/** The marker was not seen, or was refused by itself; the server saw no more requests than were decided as allowed. */
const expectNoSmuggling = (answer: string) => {
  for (const { requestLine } of rig.echo.seen) expect(requestLine).not.toContain('secrets');
  expect(answer).not.toMatch(/^HTTP\/1\.1 200[^]*HTTP\/1\.1 200[^]*HTTP\/1\.1 200/);
};

describe('request framing', () => {
  const post = (headers: string, body: string) =>
    `POST ${pods} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\n${headers}\r\n${body}`;

  test.each([
    ['length and chunked (S-01)', post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\nG')],
    [
      'chunked and length (S-02)',
      post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `5c\r\n${marker}\r\n0\r\n\r\n`),
    ],
    ['xchunked (S-03)', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
    ['blank before the colon (S-03)', post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')],
    ['vertical tab (S-03)', post('Transfer-Encoding:\x0bchunked\r\n', '0\r\n\r\n')],
    ['chunked, identity (S-03)', post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n')],
    ['identity (S-03)', post('Transfer-Encoding: identity\r\n', '0\r\n\r\n')],
    ['folded (S-03)', post('Transfer-Encoding: chunked\r\n Transfer-Encoding: x\r\n', '0\r\n\r\n')],
    ['two lengths (S-04)', post('Content-Length: 0\r\nContent-Length: 5\r\n', '')],
    ['plus sign (S-04)', post('Content-Length: +5\r\n', 'hello')],
    ['hexadecimal (S-04)', post('Content-Length: 0x5\r\n', 'hello')],
    ['list (S-04)', post('Content-Length: 5, 5\r\n', 'hello')],
    ['negative (S-04)', post('Content-Length: -1\r\n', '')],
    ['too large a number (S-04)', post('Content-Length: 100000000000000000000\r\n', '')],
    [
      'chunk extension of a megabyte (S-05)',
      post('Transfer-Encoding: chunked\r\n', `5;${'x'.repeat(1_048_576)}\r\nhello\r\n0\r\n\r\n`),
    ],
    [
      'chunk size overflow (S-05)',
      post('Transfer-Encoding: chunked\r\n', 'FFFFFFFFFFFFFFFF1\r\nhello\r\n0\r\n\r\n'),
    ],
    ['chunk without CRLF (S-05)', post('Transfer-Encoding: chunked\r\n', '5\r\nhello0\r\n\r\n')],
    ['bad end of head (S-05)', `GET ${pods} HTTP/1.1\r\nHost: edge\r\n\rX\r\n\r\n`],
    ['NUL in the target (S-06)', `GET ${pods}\0 HTTP/1.1\r\nHost: edge\r\n\r\n`],
    ['blank in the method (S-06)', `G ET ${pods} HTTP/1.1\r\nHost: edge\r\n\r\n`],
    ['HTTP/0.9 (S-06)', `GET ${pods}\r\n\r\n`],
    ['HTTP/1.1x (S-06)', `GET ${pods} HTTP/1.1x\r\nHost: edge\r\n\r\n`],
    ['absolute form (S-06)', `GET http://evil.test${pods} HTTP/1.1\r\nHost: edge\r\n\r\n`],
    ['double slash (S-06)', `GET //evil.test/api HTTP/1.1\r\nHost: edge\r\n\r\n`],
    ['asterisk form (S-06)', 'OPTIONS * HTTP/1.1\r\nHost: edge\r\n\r\n'],
    ['CONNECT (S-06)', 'CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: edge\r\n\r\n'],
    ['no Host (S-06)', `GET ${pods} HTTP/1.1\r\n\r\n`],
    ['lower-case method (P-16)', `get ${pods} HTTP/1.1\r\nHost: edge\r\n\r\n`],
    ['TRACE (P-16)', `TRACE ${pods} HTTP/1.1\r\nHost: edge\r\n\r\n`],
    ['PROPFIND (P-16)', `PROPFIND ${pods} HTTP/1.1\r\nHost: edge\r\n\r\n`],
    ['body of a GET (S-04)', `GET ${pods} HTTP/1.1\r\nHost: edge\r\nContent-Length: 5\r\n\r\nhello`],
  ])('%s is refused and nothing behind it is read', async (_, bytes) => {
    const answer = await raw(rig, rig.alice, bytes + marker, 80);
    expect(rig.echo.seen).toHaveLength(0);
    expect(answer === '' || /^HTTP\/1\.1 (?:4\d\d|501) /.test(answer)).toBe(true);
    expectNoSmuggling(answer);
  });

  test('a second request on the connection is decided by itself', async () => {
    const answer = await raw(rig, rig.alice, `GET ${pods} HTTP/1.1\r\nHost: edge\r\n\r\n${marker}`, 80);
    expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*HTTP\/1\.1 403 /);
    expect(rig.echo.seen).toHaveLength(1);
  });

  test('an unknown expectation is refused (S-12)', async () => {
    const answer = await raw(rig, rig.alice, post('Expect: 200-ok\r\nContent-Length: 2\r\n', '{}'), 80);
    expect(answer).toMatch(/^HTTP\/1\.1 417 /);
  });

  test('a second answer to one request reaches nobody (S-14)', async () => {
    rig.echo.respond = (seen, socket) => {
      okJson({ kind: 'Pod', n: 1 })(seen, socket);
      okJson({ kind: 'Secret', stolen: true })(seen, socket);
    };
    await raw(rig, rig.alice, `GET ${pods}/a HTTP/1.1\r\nHost: edge\r\n\r\n`, 50);
    rig.echo.respond = okJson({ kind: 'Pod', n: 2 });
    const answer = await raw(rig, rig.alice, `GET ${pods}/b HTTP/1.1\r\nHost: edge\r\n\r\n`, 50);
    expect(answer).not.toContain('stolen');
    expect(answer).toContain('"n":2');
  });

  test('an early answer to an upload reaches the client and ends the upstream connection (S-11)', async () => {
    rig.echo.isHasty = true;
    let upstream: TLSSocket | undefined;
    rig.echo.respond = (_, socket) => {
      upstream = socket;
      socket.write('HTTP/1.1 413 Too Large\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    };
    const answer = await raw(rig, rig.alice, post('Content-Length: 100000\r\n', 'x'.repeat(100)), 100);
    rig.echo.isHasty = false;
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    await until(() => upstream!.destroyed, 'the upstream connection is gone');
  });

  test('a refusal is the same whether the object exists or not, and asks nobody (L-09)', async () => {
    const refused = async (method: string, name: string) => {
      const answer = await raw(
        rig,
        rig.alice,
        `${method} ${secrets}/${name} HTTP/1.1\r\nHost: edge\r\n\r\n`,
        50,
      );
      return answer
        .replaceAll(name, 'NAME')
        .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')
        .replace(/date: .*/i, '');
    };
    rig.echo.respond = okJson({ kind: 'Secret' });
    const there = await refused('GET', 'there');
    rig.echo.respond = (_, socket) => socket.write('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    expect(await refused('GET', 'gone!')).toBe(there);
    expect(there).toMatch(/^HTTP\/1\.1 403 /);
    expect(await refused('DELETE', 'there')).toMatch(/^HTTP\/1\.1 403 /);
    expect(rig.echo.seen).toHaveLength(0);
  });

  test('two users on the same connections each get their own answers, never kept for the next (S-13, S-15)', async () => {
    rig.user('bob', ['viewer']);
    const bob = await rig.pki.person('bob');
    let count = 0;
    rig.echo.respond = (seen, socket) => {
      const user = seen.headers.find(([name]) => name === 'impersonate-user')?.[1];
      okJson({ kind: 'Pod', user, n: (count += 1) }, 'Cache-Control: public, max-age=3600\r\nETag: "1"\r\n')(
        seen,
        socket,
      );
    };
    const asked = Array.from({ length: 20 }, async (_, at) => {
      const [user, client] = at % 2 === 0 ? (['alice', rig.alice] as const) : (['bob', bob] as const);
      const answer = await raw(rig, client, `GET ${pods}/a HTTP/1.1\r\nHost: edge\r\n\r\n`, 100);
      expect(answer).toContain(`"user":"${user}"`);
    });
    await Promise.all(asked);
    expect(rig.echo.seen).toHaveLength(20);
    expect(rig.echo.sockets.size).toBeLessThan(20);
  });

  test('an answer that is cut short is not passed on as complete', async () => {
    rig.echo.respond = (_, socket) => {
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n',
      );
      setTimeout(() => socket.destroy(), 30);
    };
    const answer = await raw(rig, rig.alice, `GET ${pods}/a HTTP/1.1\r\nHost: edge\r\n\r\n`, 150);
    expect(answer).toContain('{"a":');
    expect(answer).not.toContain('\r\n0\r\n\r\n');
  });
});

describe('upgrades', () => {
  const exec = at('c1', '/api/v1/namespaces/dev/pods/web-1/exec?command=ls&stdout=1');
  const offering = 'Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n';
  const handshake = (extra = offering, path = exec) =>
    `GET ${path} HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${extra}\r\n`;
  const switching =
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSet-Cookie: a=b\r\n\r\n';

  test('a switch joins both ends and passes only handshake headers, no bearer (H-15)', async () => {
    rig.echo.respond = (_, socket) => {
      socket.write(`${switching}\x82\x06\x01hello`, 'latin1');
    };
    const socket = await dial(rig, rig.alice);
    const answer = await rawOn(
      socket,
      handshake(
        'Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.Y2xpZW50LXNlY3JldA, v5.channel.k8s.io\r\nSec-WebSocket-Extensions: permessage-deflate\r\nAuthorization: Bearer client-secret\r\n',
      ),
      150,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer).toContain('hello');
    expect(answer).not.toMatch(/extensions|cookie/i);
    const { head } = rig.echo.seen[0]!;
    expect(head).toMatch(/sec-websocket-protocol: v5\.channel\.k8s\.io\r\n/i);
    expect(head).toMatch(/impersonate-user: alice/i);
    expect(head).not.toMatch(/bearer\.authorization|client-secret|extensions/i);
  });

  test.each([400, 403, 200, 302, 503])(
    'after an answer of %i nothing more is passed on (S-09)',
    async (status) => {
      rig.echo.respond = (_, socket) =>
        socket.write(
          `HTTP/1.1 ${status} Whatever\r\nLocation: /x\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nnope`,
        );
      const answer = await raw(rig, rig.alice, handshake() + marker, 150);
      expect(answer).toMatch(
        status === 302 ? /^HTTP\/1\.1 502 / : new RegExp(`^HTTP/1\\.1 ${status} [^]*nope$`),
      );
      expectNoSmuggling(answer);
      // What says nothing about the request may be about the protocol: then the other one is asked for, on another connection.
      const asked = rig.echo.seen.map(({ requestLine, headers }) => [
        requestLine.replace(/\?.*/, ''),
        new Map(headers).get('upgrade'),
      ]);
      const ways = [
        [expect.stringMatching(/^GET .*\/exec$/), 'websocket'],
        [expect.stringMatching(/^POST .*\/exec$/), 'SPDY/3.1'],
      ];
      // Which comes first depends on what was refused before.
      for (const each of asked) expect(ways).toContainEqual(each);
      expect(asked).toHaveLength(status === 302 ? 1 : 2);
    },
  );

  test.each([400, 403, 404, 500])('a Status of %i is the answer, and nothing else is tried', async (code) => {
    const status = JSON.stringify({ kind: 'Status', apiVersion: 'v1', message: 'decided', code });
    rig.echo.respond = (_, socket) =>
      socket.write(
        `HTTP/1.1 ${code} Whatever\r\nContent-Type: application/json\r\nContent-Length: ${status.length}\r\n\r\n${status}`,
      );
    const answer = await raw(rig, rig.alice, handshake(), 150);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${code} [^]*"decided"`));
    expect(rig.echo.seen).toHaveLength(1);
  });

  test.each([
    ['101 without Upgrade', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    [
      '101 to another protocol',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
    ],
    ['100 before 101', `HTTP/1.1 100 Continue\r\n\r\n${switching}`],
    ['data before 101', `garbage\r\n${switching}`],
    ['nothing but an end', ''],
  ])('%s is no switch (S-10)', async (_, bytes) => {
    rig.echo.respond = (_seen, socket) => (bytes === '' ? socket.destroy() : socket.write(bytes));
    const answer = await raw(rig, rig.alice, handshake(), 150);
    expect(answer).toMatch(/^HTTP\/1\.1 50[24] /);
  });

  test('a switch nobody asked for is a bad gateway (S-10)', async () => {
    rig.echo.respond = (_, socket) => socket.write(switching);
    const answer = await raw(rig, rig.alice, `GET ${pods}/a HTTP/1.1\r\nHost: edge\r\n\r\n`, 150);
    expect(answer).toMatch(/^HTTP\/1\.1 50[23] /);
  });

  test('that cannot be served are not kept as open requests', async () => {
    rig.resources.put({ kind: 'kube_cluster', version: 'v3', metadata: { name: 'absent' }, spec: {} });
    const answer = await raw(
      rig,
      rig.alice,
      handshake(offering, exec.replace(at('c1', ''), at('absent', ''))),
      100,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 503 [^]*is offline/);
    expect(rig.edge.role.open.size).toBe(0);
  });

  test('a reset right after the switch ends the client', async () => {
    rig.echo.respond = (_, socket) => {
      socket.write(switching);
      setTimeout(() => socket.destroy(), 20);
    };
    const socket = await dial(rig, rig.alice);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(handshake());
    await closed;
  });

  test('a watch cannot be taken over a WebSocket, where it would not be filtered', async () => {
    const answer = await raw(rig, rig.alice, handshake(offering, `${pods}?watch=1`), 100);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(rig.echo.seen).toHaveLength(0);
  });

  test.each(['h2c', 'TLS/1.0', 'websocket, SPDY/3.1'])('an upgrade to %s is refused', async (protocol) => {
    const answer = await raw(rig, rig.alice, handshake().replace('websocket', protocol), 100);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(rig.echo.seen).toHaveLength(0);
  });
});
