import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ClientCertificate } from './support/identities.ts';
import { openCommand, upgradeHead } from './support/open-command.ts';
import {
  at,
  dial,
  echoKubeconfig,
  everythingAllowed,
  raw,
  type Rig,
  startRig,
  until,
} from './support/rig.ts';
import { startStreamApiServer, type StreamApiServer } from './support/stream-api-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-recordings-'));
const spool = join(folder, 'recordings');
const pod = '/api/v1/namespaces/dev/pods/box';
const exits = `${pod}/exec?command=exit&command=7&stdout=true&stderr=true&container=main`;
const ticks = `${pod}/exec?command=tick&stdout=true`;

let server: StreamApiServer;
let rig: Rig;
let alice: ClientCertificate;

const startWith = async (recordings: { folder: string; maxBytes: number }) => {
  const started = await startRig({ shape: 'together', edge: { recordings } });
  started.user('alice', ['streams']);
  await started.cluster('c1', echoKubeconfig(server));
  return started;
};
const roleWith = (on: Rig, mode?: string) =>
  on.role('streams', {
    allow: { ...everythingAllowed, kubernetes_groups: ['streamers'] },
    ...(mode ? { options: { record_session: { default: mode } } } : {}),
  });

beforeAll(async () => {
  server = await startStreamApiServer();
  rig = await startWith({ folder: spool, maxBytes: 64 * 1024 * 1024 });
  alice = await rig.pki.person('alice');
});

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  roleWith(rig);
  server.asked.length = 0;
  rmSync(spool, { recursive: true, force: true });
});

const filesIn = (of: string) => (existsSync(of) ? readdirSync(of) : []);
const files = (suffix: string) => filesIn(spool).filter((name) => name.endsWith(suffix));

interface Cast {
  readonly header: {
    readonly version: number;
    readonly command: string;
    readonly postern: Record<string, unknown>;
  };
  readonly events: (readonly [number, string, string])[];
}

/** The one recording there is, once it is whole. */
async function recorded(): Promise<Cast> {
  await until(() => files('.cast').length === 1 && files('.part').length === 0, 'a recording is whole');
  const [header, ...events] = readFileSync(join(spool, files('.cast')[0]!), 'utf8')
    .trimEnd()
    .split('\n');
  return { header: JSON.parse(header ?? ''), events: events.map((line) => JSON.parse(line)) };
}

const output = ({ events }: Cast) =>
  events
    .filter(([, code]) => code === 'o')
    .map(([, , text]) => text)
    .join('');

describe.each(['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io', 'SPDY'])(
  'a session over %s',
  (protocol) => {
    test('is recorded whole, with who, where and what, and how it ended (R-01)', async () => {
      const command = await openCommand(rig, alice, { path: exits, protocol });
      await until(() => command.isClosed() || command.text('error') !== '', 'the command has ended');
      command.end.close();
      const cast = await recorded();
      expect(cast.header).toMatchObject({ version: 2, command: 'exit 7' });
      expect(cast.header.postern).toMatchObject({
        user: 'alice',
        kubeUser: 'alice',
        cluster: 'c1',
        namespace: 'dev',
        pod: 'box',
        container: 'main',
        type: 'exec',
        command: ['exit', '7'],
        isTty: false,
      });
      expect(cast.events.map(([, code, text]) => [code, text])).toEqual([
        ['o', 'to stdout\n'],
        ['m', 'stderr'],
        ['o', 'to stderr\n'],
        ['m', 'exit code 7'],
      ]);
    });

    test('keeps sizes of the terminal and what it prints, and nothing that is typed alone (R-07)', async () => {
      const path = `${pod}/attach?stdin=true&stdout=true&tty=true`;
      const command = await openCommand(rig, alice, { path, protocol });
      command.end.send('resize', Buffer.from('{"Width":77,"Height":33}\n'));
      command.end.send('stdin', Buffer.from('secret-password\n'));
      await until(() => server.received.get('stdin')?.includes('secret-password') ?? false, 'it was typed');
      command.end.close();
      command.end.destroy();
      const cast = await recorded();
      expect(cast.header.postern).toMatchObject({ type: 'attach', isTty: true, hasStdin: true });
      expect(cast.events.map(([, code, text]) => [code, text])).toContainEqual(['r', '77x33']);
      expect(JSON.stringify(cast)).not.toContain('secret-password');
    });
  },
);

describe('a way to a container', () => {
  const spdy3 = upgradeHead({ path: exits, protocol: 'SPDY' }).replace('v4.channel', 'v3.channel');
  const websocket = (protocol: string) => upgradeHead({ path: exits, protocol });

  test.each([
    ['the first WebSocket protocol', websocket('channel.k8s.io')],
    ['the first WebSocket protocol in base64', websocket('base64.channel.k8s.io')],
    ['an inherited name', websocket('constructor')],
    ['an unknown WebSocket protocol', websocket('v9.channel.k8s.io')],
    ['no WebSocket protocol', websocket('')],
    ['100 kB of WebSocket protocols', websocket('x'.repeat(60_000))],
    ['a WebSocket of another version', websocket('v5.channel.k8s.io').replace('Version: 13', 'Version: 8')],
    [
      'a WebSocket without a key',
      websocket('v5.channel.k8s.io').replace(/Sec-WebSocket-Key: [^\r]*\r\n/, ''),
    ],
    ['SPDY of an older version', spdy3],
    ['SPDY without a version', spdy3.replace(/X-Stream[^\r]*\r\n/, '')],
  ])('by %s is refused with the reason (R-01, W-05)', async (_, head) => {
    const answer = await raw(rig, alice, head, 150);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(server.asked).toEqual([]);
    expect(files('')).toEqual([]);
  });

  test('by an unknown protocol first and then one that is known is recorded (W-05)', async () => {
    const head = websocket('constructor, v5.channel.k8s.io, v5.channel.k8s.io');
    const answer = await raw(rig, alice, head, 300);
    expect(answer).toMatch(/^HTTP\/1\.1 101 [^]*sec-websocket-protocol: v5\.channel\.k8s\.io\r\n/i);
    await recorded();
  });

  test.each([
    ['POST', '/api/v1/nodes/n1/proxy/run/dev/box/main?cmd=id', ''],
    ['GET', '/api/v1/nodes/n1/proxy/exec/dev/box/main?command=id&output=1', ''],
    [
      'GET',
      '/api/v1/nodes/https:n1:10250/proxy/exec/dev/box/main?command=id',
      'Upgrade: websocket\r\nConnection: Upgrade\r\n',
    ],
    ['GET', '/api/v1/nodes/n1/proxy/cri/exec/token', 'Upgrade: websocket\r\nConnection: Upgrade\r\n'],
    ['GET', '/api/v1/nodes/n1/proxy/whatever', 'Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\n'],
  ])(
    'by a kubelet (%s %s) is refused where sessions must be recorded (R-01, W-02)',
    async (method, path, headers) => {
      const answer = await raw(
        rig,
        alice,
        `${method} ${at('c1', path)} HTTP/1.1\r\nHost: edge\r\n${headers}\r\n`,
        150,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 403 [^]*cannot be recorded/);
      expect(server.asked).toEqual([]);
    },
  );

  test('by flags in any spelling is read as Kubernetes reads them (W-06)', async () => {
    const path = `${pod}/exec?command=idle&stdin=TRUE&tty=&stdout=1&stderr=0&tty=false`;
    const command = await openCommand(rig, alice, {
      path: `${pod}/exec?command=idle&stdin=true&stdout=true&tty=true`,
      protocol: 'v5.channel.k8s.io',
    });
    command.end.destroy();
    const plain = (await recorded()).header.postern;
    rmSync(spool, { recursive: true, force: true });
    const answer = await raw(rig, alice, upgradeHead({ path, protocol: 'v5.channel.k8s.io' }), 200);
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    const odd = (await recorded()).header.postern;
    const flags = ({ isTty, hasStdin }: Record<string, unknown>) => ({ isTty, hasStdin });
    expect(flags(odd)).toEqual(flags(plain));
    expect(flags(odd)).toEqual({ isTty: true, hasStdin: true });
  });
});

describe('a session that cannot be recorded', () => {
  test.each(['v5.channel.k8s.io', 'SPDY'])(
    'is refused over %s before any byte flows (W-13)',
    async (protocol) => {
      const blocked = join(folder, `blocked-${protocol}`);
      writeFileSync(blocked, 'a file where the folder should be');
      await using broken = await startWith({ folder: blocked, maxBytes: 1_000_000 });
      roleWith(broken);
      const client = await broken.pki.person('alice');
      await expect(openCommand(broken, client, { path: exits, protocol })).rejects.toThrow(
        /^HTTP\/1\.1 503 [^]*cannot be recorded[^]*record_session: strict/,
      );
      expect(server.asked).toEqual([]);
      roleWith(broken, 'best_effort');
      const command = await openCommand(broken, client, { path: exits, protocol });
      await until(() => command.text('stdout') === 'to stdout\n', 'it runs all the same where it may');
      command.end.destroy();
    },
  );

  test.each(['v5.channel.k8s.io', 'SPDY'])(
    'any more ends over %s with the reason (W-13)',
    async (protocol) => {
      await using small = await startWith({ folder: join(folder, `small-${protocol}`), maxBytes: 1500 });
      roleWith(small);
      const client = await small.pki.person('alice');
      const command = await openCommand(small, client, { path: ticks, protocol });
      await until(() => command.isClosed(), 'the session has ended', 5000);
      expect(command.text('stdout')).toContain('tick');
      expect(command.text('error')).toContain('there is no room for recordings');
      await until(() => server.open.size === 0, 'the API server is left');
    },
  );

  test('any more goes on where it may', async () => {
    await using small = await startWith({ folder: join(folder, 'small-best-effort'), maxBytes: 1000 });
    roleWith(small, 'best_effort');
    const command = await openCommand(small, await small.pki.person('alice'), {
      path: ticks,
      protocol: 'SPDY',
    });
    await until(() => command.text('stdout').length > 200, 'it goes on');
    expect(command.isClosed()).toBe(false);
    command.end.destroy();
  });
});

describe('a recording', () => {
  test('is not made where no role asks for one', async () => {
    roleWith(rig, 'off');
    const command = await openCommand(rig, alice, { path: exits, protocol: 'SPDY' });
    await until(() => command.text('stdout') !== '', 'it runs');
    command.end.destroy();
    expect(files('')).toEqual([]);
  });

  test('of a session that the API server refused is not kept', async () => {
    server.speaks = 'SPDY';
    const path = `${pod}/attach?stdout=true`;
    const status = await raw(
      rig,
      alice,
      upgradeHead({ path: path.replace('box', 'gone'), protocol: 'SPDY' }),
      200,
    );
    expect(status).toMatch(/^HTTP\/1\.1 404 /);
    server.speaks = 'both';
    await until(() => files('').length === 0, 'nothing is left');
  });

  test('that comes in the middle of a session ends it: what its roles say then counts', async () => {
    roleWith(rig, 'off');
    const command = await openCommand(rig, alice, { path: ticks, protocol: 'v5.channel.k8s.io' });
    roleWith(rig, 'strict');
    await until(() => command.isClosed(), 'the session has ended');
    expect(command.text('error')).toContain('access changed');
  });

  test('of much output without a terminal stops at a bound, and says how much is missing', async () => {
    const path = `${pod}/exec?command=flood&command=3&stdout=true`;
    const command = await openCommand(rig, alice, { path, protocol: 'SPDY' });
    await until(() => command.text('error') !== '', 'it has ended', 10_000);
    command.end.close();
    const cast = await recorded();
    expect(output(cast).length).toBe(1024 * 1024);
    expect(cast.events.map(([, , text]) => text)).toContain('2097152 more bytes of output were not recorded');
  });

  test('has each event on a line of its own, whatever a terminal prints (R-09)', async () => {
    const path = `${pod}/exec?command=cat&stdin=true&stdout=true&tty=true`;
    const command = await openCommand(rig, alice, { path, protocol: 'v5.channel.k8s.io' });
    const nasty = '\u001b]52;c;aGk=\u0007\r\n[9,"o","forged"]\n</script>\u2028\u0000';
    command.end.send('stdin', Buffer.from(nasty));
    await until(() => command.text('stdout') === nasty, 'it was printed');
    command.end.destroy();
    const cast = await recorded();
    expect(output(cast)).toBe(nasty);
    const [file] = files('.cast');
    expect(readFileSync(join(spool, file!), 'utf8')).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  test('is whole when the edge stops in the middle of it', async () => {
    const own = join(folder, 'stopped');
    const stopping = await startWith({ folder: own, maxBytes: 1_000_000 });
    roleWith(stopping);
    const socket = await dial(stopping, await stopping.pki.person('alice'));
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(upgradeHead({ path: ticks, protocol: 'v5.channel.k8s.io' }));
    await until(() => filesIn(own).length === 1, 'it is being recorded');
    await stopping[Symbol.asyncDispose]();
    expect(filesIn(own).map((name) => name.replace(/^[^.]*/, ''))).toEqual(['.cast']);
  });
});
