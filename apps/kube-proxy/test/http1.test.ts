import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FrontRig, startFront } from './support/front-rig.ts';
import { until } from './support/rig.ts';

let rig: FrontRig;
beforeEach(async () => {
  rig = await startFront();
});
afterEach(() => rig[Symbol.asyncDispose]());

const get = 'GET /a HTTP/1.1\r\nHost: edge\r\n\r\n';
const post = (fields: string, body = '') => `POST /a HTTP/1.1\r\nHost: edge\r\n${fields}\r\n${body}`;
const ok = ['content-type', 'text/plain', 'content-length', '2'];

describe('an answer', () => {
  test('of known length goes out as it is, with our own fields, and the connection is kept', async () => {
    const { socket, got } = await rig.dial();
    for (const count of [1, 2]) {
      socket.write(get);
      const { answer } = await rig.next();
      answer.extra = ['x-own', String(count)];
      answer.begin(200, ok);
      answer.sink.end(Buffer.from('ok'));
    }
    await until(() => got().includes('x-own: 2'), 'both are there');
    const [first] = got().split(/(?<=ok)(?=HTTP)/);
    expect(first).toMatch(
      /^HTTP\/1\.1 200 OK\r\ncontent-type: text\/plain\r\ncontent-length: 2\r\nx-own: 1\r\ndate: \w{3}, [^\r]+ GMT\r\nconnection: keep-alive\r\nkeep-alive: timeout=75\r\n\r\nok$/,
    );
  });

  test('of no known length comes in chunks, and its head at once', async () => {
    const { socket, got } = await rig.dial();
    socket.write(get);
    const { answer } = await rig.next();
    answer.begin(200, []);
    await until(() => got().endsWith('\r\n\r\n'), 'the head is there');
    expect(got()).toContain('transfer-encoding: chunked\r\n');
    answer.sink.write(Buffer.from('hello'));
    answer.sink.write(Buffer.alloc(20_000, 'x'));
    answer.sink.end('!');
    await until(() => got().endsWith('\r\n0\r\n\r\n'), 'it is whole');
    const body = got().slice(got().indexOf('\r\n\r\n') + 4);
    expect(body).toBe(`5\r\nhello\r\n4e20\r\n${'x'.repeat(20_000)}\r\n1\r\n!\r\n0\r\n\r\n`);
  });

  test('to HEAD, and one of 204 or 304, has no body whatever is written', async () => {
    const { socket, got } = await rig.dial();
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ] as const) {
      socket.write(get.replace('GET', method));
      const { answer } = await rig.next();
      answer.begin(status, status === 200 ? ok : []);
      answer.sink.write(Buffer.from('body'));
      answer.sink.end();
    }
    await until(() => got().includes('HTTP/1.1 304 Not Modified'), 'all are there');
    expect(got()).not.toMatch(/body|chunked/);
  });

  test('to HTTP/1.0 ends with its connection', async () => {
    const { socket, got } = await rig.dial();
    socket.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    const { answer } = await rig.next();
    answer.begin(200, []);
    answer.sink.end(Buffer.from('all'));
    await until(() => socket.readableEnded, 'the connection ends');
    expect(got()).toMatch(/connection: close\r\n\r\nall$/);
    expect(got()).not.toContain('chunked');
  });

  test.each([
    ['less', 'o'],
    ['more', 'okay'],
  ])(
    'that is %s than it says ends the connection, so that nothing is taken for the next one',
    async (_, body) => {
      const { socket, got } = await rig.dial();
      socket.write(get + get);
      const { answer } = await rig.next();
      answer.begin(200, ok);
      answer.sink.end(Buffer.from(body));
      await until(() => socket.destroyed, 'the connection is cut');
      expect(got()).not.toContain('okay');
      expect(rig.requests).toHaveLength(0);
    },
  );

  test.each(['a\r\nset-cookie: b', 'a\0', '\u0100'])(
    'with the field %j is not sent (S-08)',
    async (value) => {
      const { socket, got } = await rig.dial();
      socket.write(get);
      const { answer } = await rig.next();
      expect(() => answer.begin(200, ['x-a', value])).toThrow(TypeError);
      expect(got()).toBe('');
    },
  );

  test('to a client that reads nothing waits for it', async () => {
    const { socket, got } = await rig.dial();
    socket.pause();
    socket.write(get);
    const { answer } = await rig.next();
    answer.begin(200, []);
    let written = 0;
    let hasRoom = true;
    for (; hasRoom && written < 1000; written += 1) hasRoom = answer.sink.write(Buffer.alloc(65_536));
    expect(hasRoom).toBe(false);
    let isDrained = false;
    answer.sink.once('drain', () => (isDrained = true));
    socket.resume();
    await until(() => isDrained, 'there is room again');
    answer.sink.end();
    await until(() => got().endsWith('\r\n0\r\n\r\n'), 'it is whole');
  });
});

describe('a request', () => {
  test('that comes behind another waits until that is answered', async () => {
    const { socket, got } = await rig.dial();
    socket.write(post('Content-Length: 3\r\n', 'one') + get.replace('/a', '/b') + get.replace('/a', '/c'));
    for (const target of ['/a', '/b', '/c']) {
      const { answer, body, hasBody, target: came } = await rig.next();
      expect(came).toBe(target);
      if (hasBody) expect(await text(body)).toBe('one');
      expect(rig.requests).toHaveLength(0);
      answer.begin(200, ok);
      answer.sink.end(target);
    }
    await until(() => got().endsWith('/c'), 'all are answered');
  });

  test('is told that its client has left', async () => {
    const { socket } = await rig.dial();
    socket.write(post('Content-Length: 9\r\n', 'part'));
    const { answer, body } = await rig.next();
    let hasLeft = false;
    answer.sink.once('close', () => (hasLeft = true));
    const reading = text(body);
    socket.destroy();
    await expect(reading).rejects.toThrow('the client closed the request');
    await until(() => hasLeft, 'its answer knows');
    expect(answer.sink.destroyed).toBe(true);
  });

  test('that waits to be told to send its body is told when somebody reads it (S-12)', async () => {
    const { socket, got } = await rig.dial();
    socket.write(post('Content-Length: 2\r\nExpect: 100-continue\r\n'));
    const { answer, body } = await rig.next();
    expect(got()).toBe('');
    const reading = text(body);
    await until(() => got() === 'HTTP/1.1 100 Continue\r\n\r\n', 'it is told');
    socket.write('{}');
    expect(await reading).toBe('{}');
    answer.begin(200, ok);
    answer.sink.end(Buffer.from('ok'));
    await until(() => got().endsWith('ok'), 'it is answered');
    expect(got()).toContain('connection: keep-alive');
  });

  test('that was not told to send its body is the last one: what follows could be either (S-12)', async () => {
    const { socket, got } = await rig.dial();
    socket.write(post('Content-Length: 35\r\nExpect: 100-continue\r\n'));
    const { answer } = await rig.next();
    answer.begin(403, ok);
    answer.sink.end(Buffer.from('no'));
    socket.write(get);
    await until(() => socket.readableEnded, 'the connection ends');
    expect(got()).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n[^]*connection: close\r\n\r\nno$/);
    expect(rig.requests).toHaveLength(0);
  });

  test('whose body nobody reads is read to its end, and another one follows (S-11)', async () => {
    const { socket, got } = await rig.dial();
    socket.write(post('Content-Length: 100000\r\n', 'x'.repeat(1000)));
    const { answer } = await rig.next();
    answer.begin(403, ok);
    answer.sink.end(Buffer.from('no'));
    await until(() => got().endsWith('no'), 'it is refused');
    socket.write('x'.repeat(99_000) + get);
    const next = await rig.next();
    next.answer.begin(200, ok);
    next.answer.sink.end(Buffer.from('ok'));
    await until(() => got().endsWith('ok'), 'the next one is answered');
  });

  test('whose body goes wrong ends its connection', async () => {
    const { socket } = await rig.dial();
    socket.write(post('Transfer-Encoding: chunked\r\n', '2\r\nok\r\n'));
    const { body } = await rig.next();
    const reading = text(body);
    socket.write(`1\r\nxy\r\n0\r\n\r\n${get}`);
    await expect(reading).rejects.toThrow();
    await until(() => socket.destroyed, 'the connection is cut');
    expect(rig.requests).toHaveLength(0);
  });

  test('that switches protocols gives what came behind its head, and what comes later', async () => {
    const { socket, got } = await rig.dial();
    socket.write('GET /a HTTP/1.1\r\nHost: e\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nfirst,');
    await until(() => rig.upgrades.length > 0, 'it is there');
    const joined = rig.upgrades[0]!.answer.join('x', []);
    socket.end('second');
    expect(await text(joined)).toBe('first,second');
    await until(() => got().includes('101 Switching Protocols'), 'it is told');
  });
});

describe('an upgrade', () => {
  const upgrade = (fields: string, body: string) =>
    post(`Connection: Upgrade\r\nUpgrade: x\r\n${fields}`, body);

  test('whose body is empty and in chunks switches behind their end (S-09)', async () => {
    const { socket } = await rig.dial();
    socket.write(upgrade('Transfer-Encoding: chunked\r\n', '0\r\n\r\nfirst'));
    await until(() => rig.upgrades.length > 0, 'it is there');
    socket.end();
    expect(await text(rig.upgrades[0]!.answer.join('x', []))).toBe('first');
  });

  test.each([
    ['a length', upgrade('Content-Length: 1\r\n', 'x')],
    ['chunks', upgrade('Transfer-Encoding: chunked\r\n', '1\r\nx\r\n0\r\n\r\n')],
  ])('with a body by %s is refused (S-09)', async (_, bytes) => {
    const { socket, got } = await rig.dial();
    socket.write(bytes + get);
    await until(() => socket.readableEnded, 'the connection ends');
    expect(got()).toMatch(/^HTTP\/1\.1 400 /);
    expect(rig.upgrades).toHaveLength(0);
    expect(rig.requests).toHaveLength(0);
  });
});

test('thousands of requests ahead of their answers are not read (X-09)', async () => {
  const { socket } = await rig.dial();
  socket.write(get.repeat(600_000));
  const { answer } = await rig.next();
  await until(() => socket.writableNeedDrain, 'no more is taken');
  expect(rig.requests).toHaveLength(0);
  answer.abort();
  await until(() => socket.destroyed, 'it is cut');
});

test('a connection that was quiet for too long in the middle of a head is told so (X-01)', async () => {
  await using slow = await startFront({ headersMs: 100 });
  const { socket, got } = await slow.dial();
  socket.write('GET / HT');
  await until(() => socket.readableEnded, 'it ends');
  expect(got()).toMatch(/^HTTP\/1\.1 408 /);
});

test('an upload that does not come to its end is cut (X-01)', async () => {
  await using slow = await startFront({ headersMs: 50, requestMs: 100 });
  const { socket } = await slow.dial();
  socket.write(post('Content-Length: 9\r\n', 'part'));
  const { body } = await slow.next();
  await expect(text(body)).rejects.toThrow('the client closed the request');
});
