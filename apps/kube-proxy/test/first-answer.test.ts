import { connect } from 'node:http2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { at, dial, startEchoRig, until } from './support/rig.ts';

const path = at('c1', '/api/v1/namespaces/dev/pods?watch=1');

describe.each(['together', 'split'] as const)('a watch without events, edge and agent %s', (shape) => {
  let rig: Awaited<ReturnType<typeof startEchoRig>>;
  beforeEach(async () => {
    rig = await startEchoRig({ shape });
    rig.echo.respond = (_, socket) =>
      void socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
      );
  });
  afterEach(() => rig[Symbol.asyncDispose]());

  test('is answered at once over HTTP/1.1', async () => {
    const socket = await dial(rig, rig.alice);
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: edge\r\n\r\n`);
    await until(() => text.includes('\r\n\r\n'), `a head, not ${text}`);
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  test('is answered at once over HTTP/2', async () => {
    const session = connect(`https://127.0.0.1:${rig.port}`, {
      ...rig.alice,
      ca: rig.pki.host.certificate,
      servername: 'localhost',
    });
    let status: number | undefined;
    const stream = session.request({ ':path': path });
    stream.on('error', () => undefined);
    stream.on('response', (headers) => (status = headers[':status']));
    await until(() => status !== undefined, 'a head');
    expect(status).toBe(200);
    session.destroy();
  });
});
