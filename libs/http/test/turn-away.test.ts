import { failure } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { httpServer, route } from '../src/index.ts';
import { rawConnection } from './support/client.ts';
import { makeTrust } from './support/identities.ts';

const Enough = failure('resource_exhausted', 'test.enough', () => 'enough');

async function serverThatHears(isUnwelcome: (head: { url: string; sourceIp: string }) => boolean) {
  const scope = new AsyncDisposableStack();
  const telemetry = silentTelemetry();
  const heard: unknown[] = [];
  const say = route<object>()({
    method: 'POST',
    url: '/say',
    allow: 'public',
    body: Type.Object({ word: Type.String() }),
    handle: (_, { body }) => {
      heard.push(body.word);
      return {};
    },
  });
  const identity = await (await makeTrust()).held('svc', 's1', ['Auth']);
  const turnAway = { answer: Enough(), isUnwelcome, afterMs: 20 };
  const server = httpServer({ identity, service: 'join-svc', telemetry, routes: [say], deps: {}, turnAway });
  scope.use(server);
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return {
    telemetry,
    heard,
    open: () => rawConnection(port, identity.trust().hostCa),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  };
}

const saying = (word: string, { extra = '', path = '/say' } = {}) => {
  const body = JSON.stringify({ word });
  const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${extra}`;
  return `${head}content-length: ${body.length}\r\n\r\n${body}`;
};

test('whoever is unwelcome gets a ready answer unread, on a connection that is kept (J-12)', async () => {
  const answers = [true, true, false];
  await using server = await serverThatHears(() => answers.shift()!);
  const { socket, closed } = await server.open();
  socket.write(saying('one') + saying('two') + saying('three', { extra: 'connection: close\r\n' }));
  const text = await closed;
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 429', 'HTTP/1.1 429', 'HTTP/1.1 200']);
  expect(text).toContain('"code":"test.enough"');
  expect(server.heard).toEqual(['three']);
  expect(await server.telemetry.metrics()).toMatch(/http_server_turned_away_total(\{[^}]*\})? 2\b/);
  expect(server.telemetry.lines.filter((line) => line.includes('test.enough'))).toEqual([]);
});

test.each([
  ['without a length', 'transfer-encoding: chunked\r\n'],
  ['of a gigabyte', 'content-length: 1000000000\r\n'],
])('a connection on which a body %s would follow is closed', async (_, header) => {
  await using server = await serverThatHears(() => true);
  const { socket, closed } = await server.open();
  socket.write(`POST /say HTTP/1.1\r\nhost: localhost\r\n${header}\r\n`);
  expect(await closed).toMatch(/^HTTP\/1\.1 429 [^]*connection: close/i);
});

test('it is asked about the other end and the path, but not where somebody claims to speak for another', async () => {
  const heads: object[] = [];
  await using server = await serverThatHears(({ url, sourceIp }) => heads.push({ url, sourceIp }) > 0);
  const first = await server.open();
  first.socket.write(saying('x', { extra: 'connection: close\r\n', path: '/say?x=1' }));
  expect(await first.closed).toContain(' 429 ');
  const forged = await server.open();
  forged.socket.write(saying('x', { extra: 'connection: close\r\npostern-assertion: forged\r\n' }));
  expect(await forged.closed).toContain(' 401 ');
  expect(heads).toEqual([{ url: '/say?x=1', sourceIp: '127.0.0.1' }]);
});
