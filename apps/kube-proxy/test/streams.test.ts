import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { echoKubeconfig, everythingAllowed, type Rig, startRig, until } from './support/rig.ts';
import { type RigKubectl, rigKubectl } from './support/rig-kubectl.ts';
import { type Speaks, startStreamApiServer, type StreamApiServer } from './support/stream-api-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-streams-'));
let server: StreamApiServer;
let rig: Rig;
let kubectl: RigKubectl;

beforeAll(async () => {
  server = await startStreamApiServer();
  rig = await startRig({ shape: 'split' });
  allowAll();
  rig.user('alice', ['streams']);
  kubectl = await kubectlFor('c1');
});

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  server.asked.length = 0;
  server.received.clear();
});

/** Under a name of its own the cluster is new to the agent, which knows nothing yet of what it speaks. */
const kubectlFor = async (cluster: string) => {
  await rig.cluster(cluster, echoKubeconfig(server));
  return rigKubectl(rig, { folder, cluster, client: await rig.pki.person('alice') });
};

const allowAll = () =>
  rig.role('streams', { allow: { ...everythingAllowed, kubernetes_groups: ['streamers'] } });

describe.each<[string, boolean]>([
  ['WebSocket', false],
  ['SPDY', true],
])('kubectl over %s', (own, overSpdy) => {
  describe.each<Speaks>(['both', 'SPDY', 'WebSocket'])('to an API server that speaks %s', (speaks) => {
    let kubectl: RigKubectl;
    beforeAll(async () => {
      kubectl = await kubectlFor(`${own}-${speaks}`.toLowerCase());
    });
    beforeEach(() => {
      server.speaks = speaks;
    });

    test('gets both outputs and the exit code (W-12)', async () => {
      const { code, out, err } = await kubectl.run(['exec', 'box', '--', 'exit', '7'], { overSpdy });
      expect(out).toBe('to stdout\n');
      expect(err).toContain('to stderr\n');
      expect(code).toBe(7);
      expect(server.asked.at(-1)).toBe(speaks === 'both' ? own : speaks);
    });

    test('sends input to its end and gets it back (W-12)', async () => {
      const input = randomBytes(400_000).toString('hex');
      const { code, out } = await kubectl.run(['exec', '-i', 'box', '--', 'cat'], { overSpdy, input });
      expect(code).toBe(0);
      expect(out === input).toBe(true);
    });

    test('gets all of an output behind which the server hangs up', async () => {
      const { out } = await kubectl.run(['exec', 'box', '--', 'burst', '8'], { overSpdy });
      expect(out.length).toBe(8 * 1024 * 1024);
    });

    test('forwards ports, with several connections at once and half-close', async () => {
      const forward = kubectl.start(['port-forward', 'pod/box', ':9000'], { overSpdy });
      try {
        await until(() => /127\.0\.0\.1:\d+ ->/.test(forward.text()), 'the port is open', 10_000);
        const port = Number(/127\.0\.0\.1:(\d+) ->/.exec(forward.text())![1]);
        const sent = [1000, 2_000_000, 300_000].map((size) => randomBytes(size));
        const back = await Promise.all(sent.map((bytes) => echoed(port, bytes)));
        expect(back.map((bytes, at) => bytes.equals(sent[at]!))).toEqual([true, true, true]);
      } finally {
        forward.kill();
        await forward.ended;
      }
    });
  });
});

describe('an API server that refused a protocol', () => {
  test('is asked for the other one from then on, and not twice', async () => {
    server.speaks = 'SPDY';
    await kubectl.run(['exec', 'box', '--', 'exit', '0']);
    server.asked.length = 0;
    await kubectl.run(['exec', 'box', '--', 'exit', '0']);
    expect(server.asked).toEqual(['SPDY']);
  });

  test('and then refuses the other one is asked for both (W-05)', async () => {
    server.speaks = 'SPDY';
    await kubectl.run(['exec', 'box', '--', 'exit', '0']);
    server.speaks = 'WebSocket';
    server.asked.length = 0;
    expect(await kubectl.run(['exec', 'box', '--', 'exit', '3'])).toMatchObject({ code: 3 });
    expect(server.asked).toEqual(['SPDY', 'WebSocket']);
  });
});

describe.each<[string, boolean]>([
  ['a WebSocket', false],
  ['SPDY', true],
])('a stream over %s that is cut', (_, overSpdy) => {
  beforeEach(() => {
    server.speaks = 'both';
    allowAll();
  });

  test('says why to whoever runs a command', async () => {
    const exec = kubectl.start(['exec', 'box', '--', 'tick'], { overSpdy });
    await until(() => exec.text().includes('tick\ntick\n'), 'it runs', 10_000);
    rig.role('streams', { allow: {} });
    const { code, err } = await exec.ended;
    expect(code).toBe(1);
    expect(err).toContain('access changed while the request was under way');
    await until(() => server.open.size === 0, 'the API server is left', 2000);
  });

  test('says why to whoever forwards a port', async () => {
    const forward = kubectl.start(['port-forward', 'pod/box', ':9000'], { overSpdy });
    await until(() => /127\.0\.0\.1:\d+ ->/.test(forward.text()), 'the port is open', 10_000);
    const port = Number(/127\.0\.0\.1:(\d+) ->/.exec(forward.text())![1]);
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => {
      socket.once('data', () => resolve());
      socket.write('hello');
    });
    rig.role('streams', { allow: {} });
    const { err } = await forward.ended;
    socket.destroy();
    expect(err).toContain('access changed while the request was under way');
  });
});

/** Sends bytes, ends that side, and gives what came back until the other side ended too. */
function echoed(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: '127.0.0.1', port });
    socket.setTimeout(20_000, () => socket.destroy(new Error('nothing comes back')));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('end', () => resolve(Buffer.concat(chunks)));
    socket.once('error', reject);
    socket.end(bytes);
  });
}
