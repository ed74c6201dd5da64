import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { systemClock } from '@postern/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Answer } from '../src/listen/exchange.ts';
import { defaultLimits, TlsFront } from '../src/listen/tls-front.ts';
import { createPki, type Pki } from './support/identities.ts';
import { until } from './support/rig.ts';

const graceMs = 2000;

let pki: Pki;
let front: TlsFront;
let port: number;
let agent: Agent;
/** Requests that came, to be answered. */
let waiting: Answer[];

beforeEach(async () => {
  pki = await createPki();
  waiting = [];
  const none = () => {
    throw new Error('nobody comes here');
  };
  front = new TlsFront(
    {
      held: await pki.held('e1', ['Proxy']),
      clock: systemClock,
      clients: 'all',
      limits: { ...defaultLimits, closeGraceMs: graceMs },
    },
    { request: ({ answer }) => void waiting.push(answer), upgrade: none, tunnel: none },
  );
  ({ port } = await front.listen({ host: '127.0.0.1', port: 0 }));
  agent = new Agent({
    ca: pki.host.certificate,
    ...(await pki.person('alice')),
    keepAlive: true,
    maxSockets: 1,
    checkServerIdentity: () => undefined,
  });
});

afterEach(async () => {
  agent.destroy();
  await front[Symbol.asyncDispose]();
});

/** What a client is told of its connection. */
async function ask(): Promise<string | undefined> {
  const sent = request({ host: '127.0.0.1', port, agent, path: '/x' });
  sent.end();
  const [response] = await once(sent, 'response');
  response.resume();
  await once(response, 'end');
  return response.headers.connection;
}

async function answer(): Promise<void> {
  await until(() => waiting.length > 0, 'a request is there');
  const begun = waiting.shift()!;
  begun.begin(200, ['content-length', '2']);
  begun.sink.end(Buffer.from('ok'));
}

describe('a listener that closes, and a client that keeps its connection', () => {
  test('answers what the client sends on it meanwhile, and says that it ends', async () => {
    const first = ask();
    await answer();
    expect(await first).toBe('keep-alive');
    const closed = front.close();
    const second = ask();
    await answer();
    expect(await second).toBe('close');
    await closed;
  });

  test('answers what was under way, and says that the connection ends', async () => {
    const asked = ask();
    await until(() => waiting.length > 0, 'the request is there');
    const closed = front.close();
    await answer();
    expect(await asked).toBe('close');
    await closed;
  });
});
