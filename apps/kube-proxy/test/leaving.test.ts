import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FrontRig, startFront } from './support/front-rig.ts';
import { until } from './support/rig.ts';

let rig: FrontRig;
let agent: Agent;

beforeEach(async () => {
  rig = await startFront({ closeGraceMs: 2000 });
  agent = new Agent({
    ca: rig.pki.host.certificate,
    ...(await rig.pki.person('alice')),
    keepAlive: true,
    maxSockets: 1,
    checkServerIdentity: () => undefined,
  });
});

afterEach(async () => {
  agent.destroy();
  await rig[Symbol.asyncDispose]();
});

/** What a client is told of its connection. */
async function ask(): Promise<string | undefined> {
  const sent = request({ host: '127.0.0.1', port: rig.port, agent, path: '/x' });
  sent.end();
  const [response] = await once(sent, 'response');
  response.resume();
  await once(response, 'end');
  return response.headers.connection;
}

async function answer(): Promise<void> {
  const { answer: begun } = await rig.next();
  begun.begin(200, ['content-length', '2']);
  begun.sink.end(Buffer.from('ok'));
}

describe('a listener that closes, and a client that keeps its connection', () => {
  test('answers what the client sends on it meanwhile, and says that it ends', async () => {
    const first = ask();
    await answer();
    expect(await first).toBe('keep-alive');
    const closed = rig.front.close();
    const second = ask();
    await answer();
    expect(await second).toBe('close');
    await closed;
  });

  test('answers what was under way, and says that the connection ends', async () => {
    const asked = ask();
    await until(() => rig.requests.length > 0, 'the request is there');
    const closed = rig.front.close();
    await answer();
    expect(await asked).toBe('close');
    await closed;
  });
});
