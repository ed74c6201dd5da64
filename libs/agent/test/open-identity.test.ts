import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@postern/core';
import {
  type AgentIdentity,
  IdentityEnded,
  type IdentityOptions,
  openIdentity,
  type StateStore,
} from '../src/index.ts';
import { createAuthority } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

const token = 'canary-token-0123456789abcdef';
let scope: AsyncDisposableStack;
let plane: ControlPlane;
let dataDir: string;
const telemetry = silentTelemetry();

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  plane = scope.use(await startControlPlane());
  dataDir = await mkdtemp(join(tmpdir(), 'agent-'));
  scope.defer(() => rm(dataDir, { recursive: true }));
});
afterEach(() => scope.disposeAsync());

async function open(options: Partial<IdentityOptions> = {}): Promise<AgentIdentity> {
  const trust = { caPin: plane.pin };
  const common = {
    joinUrls: [plane.url],
    trust,
    token,
    roles: ['Kube'],
    hostname: 'h',
    telemetry,
    clock: systemClock,
  };
  return scope.use(await openIdentity({ ...common, ...options }));
}

const paths = () => plane.seen.map(({ path }) => path);

describe('a process without an identity', () => {
  test('joins with its token, recognising the control plane by its pin', async () => {
    const identity = await open();
    expect(identity).toMatchObject({ agentId: 'agent-1', clusterName: 'postern', roles: ['Kube'] });
    expect(identity.held.current().principal).toMatchObject({ type: 'agent', generation: 1 });
    expect(identity.bus).toMatchObject({ servers: ['nats://127.0.0.1:4222'], jwt: 'jwt-1' });
    expect(identity.bus.seed).toMatch(/^SU[A-Z2-7]{56}$/);
  });

  test('joins with its token, recognising the control plane by its CA', async () => {
    const caFile = join(dataDir, 'ca.pem');
    await writeFile(caFile, plane.host.certificate);
    expect((await open({ trust: { caFile } })).agentId).toBe('agent-1');
  });

  test.each([
    ['another pin', { caPin: `sha256:${'0'.repeat(64)}` }, 'is this the right control plane'],
    ['public authorities only', {}, /self-signed|unable to verify/],
  ])('keeps its token to itself when it trusts %s (C-17)', async (_, trust, why) => {
    await expect(open({ trust, giveUpAfterMs: 1 })).rejects.toThrow(why);
    expect(plane.seen).toEqual([]);
  });

  test('keeps its token to itself when an agent answers in place of the control plane (C-17)', async () => {
    await using impostor = await startControlPlane({ type: 'agent' });
    const trust = { caPin: impostor.pin };
    await expect(open({ joinUrls: [impostor.url], trust, giveUpAfterMs: 1 })).rejects.toThrow(
      'not the control plane',
    );
    expect(impostor.seen).toEqual([]);
  });

  test('waits for a control plane that is not there yet', async () => {
    const port = await freePort();
    const late = open({ joinUrls: [`https://127.0.0.1:${port}`] });
    const { host } = plane;
    const user = await createAuthority({ use: 'user', clusterName: 'postern', clock: systemClock });
    await expect.poll(() => telemetry.lines.some((line) => line.includes('ECONNREFUSED'))).toBe(true);
    scope.use(await startControlPlane({ port, authorities: { host, user } }));
    expect((await late).agentId).toBe('agent-1');
  });

  test('asks the next address when one does not answer', async () => {
    const joinUrls = [`https://127.0.0.1:${await freePort()}`, plane.url];
    expect((await open({ joinUrls })).agentId).toBe('agent-1');
  });

  test('takes a refusal for an answer', async () => {
    plane.tricks.push('refuse');
    await expect(open()).rejects.toThrow('the join was refused');
    expect(plane.seen).toHaveLength(1);
  });

  test('repeats the same join when an answer is lost, late or nonsense', async () => {
    plane.tricks.push('drop the answer', 'be busy', 'answer nonsense');
    await open();
    expect(new Set(plane.seen.map(({ body }) => body.joinId)).size).toBe(1);
    expect(plane.seen).toHaveLength(4);
  });

  test('ends when it is told to, however long the control plane stays away', async () => {
    const stop = new AbortController();
    const opening = open({ joinUrls: [`https://127.0.0.1:${await freePort()}`], signal: stop.signal });
    stop.abort(new Error('told to stop'));
    await expect(opening).rejects.toThrow('told to stop');
  });

  test('says so when it has no token either', async () => {
    await expect(open({ token: undefined })).rejects.toThrow('no join token');
  });
});

describe('a process with a stored identity', () => {
  const stored = () => join(dataDir, 'identity', 'agent.json');

  async function restart(
    options: Partial<IdentityOptions> = {},
    first: Partial<IdentityOptions> = {},
  ): Promise<AgentIdentity> {
    await (await open({ dataDir, ...first }))[Symbol.asyncDispose]();
    return open({ dataDir, ...options });
  }

  test('keeps it for itself (C-16)', async () => {
    await open({ dataDir });
    expect((await stat(stored())).mode & 0o777).toBe(0o600);
    expect((await stat(join(dataDir, 'identity'))).mode & 0o777).toBe(0o700);
    expect(await readFile(stored(), 'utf8')).not.toContain(token);
  });

  test('starts without asking anybody, and without a token', async () => {
    const identity = await restart({ token: undefined, joinUrls: ['https://127.0.0.1:1'] });
    expect(identity.agentId).toBe('agent-1');
    expect(paths()).toEqual(['/v1/join']);
  });

  test.each([
    ['it has expired', { clock: () => new Date(Date.now() + 7_200_000) }],
    ['other roles are configured', { roles: ['Kube', 'Discovery'] }],
    ['it is of another service', { service: 'inventory-svc' as const }],
  ])('joins anew when %s', async (_, options) => {
    const identity = restart(options);
    // With a clock two hours late the new certificate does not hold either, which is an error of its own.
    await identity.catch(() => {});
    expect(paths()).toEqual(['/v1/join', '/v1/join']);
  });

  test('joins anew when another control plane is configured', async () => {
    await using other = await startControlPlane();
    const identity = await restart({ joinUrls: [other.url], trust: { caPin: other.pin } });
    expect(identity.held.current().hostCa).toBe(other.host.certificate);
  });

  test('joins anew when its file is not understood', async () => {
    await (await open({ dataDir }))[Symbol.asyncDispose]();
    await writeFile(stored(), '{"agentId": "x"}');
    expect((await open({ dataDir })).agentId).toBe('agent-2');
  });

  test('renews at once when other views are configured', async () => {
    const views = ['0123456789abcdef0123456789abcdef'];
    const identity = await restart({ views });
    expect(paths()).toEqual(['/v1/join', '/v1/renew']);
    expect(plane.seen[1]).toMatchObject({ caller: 'agent-1', body: { views } });
    expect(identity.held.current().principal.generation).toBe(2);
  });

  test('joins anew when its renewal is refused at the start', async () => {
    await (await open({ dataDir }))[Symbol.asyncDispose]();
    plane.tricks.push('refuse');
    const identity = await open({ dataDir, views: ['0123456789abcdef0123456789abcdef'] });
    expect(paths()).toEqual(['/v1/join', '/v1/renew', '/v1/join']);
    expect(identity.agentId).toBe('agent-3');
  });
});

describe('a renewal', () => {
  test('keeps which service it is, and tells who listens that it happened', async () => {
    const service = 'inventory-svc';
    const first = await open({ dataDir, service });
    let renewals = 0;
    const stop = first.onRenewed(() => void (renewals += 1));
    await first.renew();
    stop();
    await first.renew();
    expect(renewals).toBe(1);
    await first[Symbol.asyncDispose]();
    await open({ dataDir, service });
    expect(paths()).toEqual(['/v1/join', '/v1/renew', '/v1/renew']);
    expect(plane.seen[0]!.body).toMatchObject({ service });
  });

  test('brings a new key and a new bus credential, and tells who listens', async () => {
    const identity = await open({ dataDir });
    const before = { key: identity.held.current().key, seed: identity.bus.seed };
    const changed = new Promise((resolve) => identity.held.onChange(resolve));
    await identity.renew();
    await changed;
    expect(identity.held.current().principal.generation).toBe(2);
    expect(identity.held.current().key).not.toBe(before.key);
    expect(identity.bus).toMatchObject({ jwt: 'jwt-2' });
    expect(identity.bus.seed).not.toBe(before.seed);
  });

  test('whose answer was lost is repeated with the same key', async () => {
    const identity = await open();
    plane.tricks.push('drop the answer');
    await identity.renew();
    const [, lost, repeated] = plane.seen;
    expect(publicKeyIn(repeated!.body.csr)).toBe(publicKeyIn(lost!.body.csr));
    expect(identity.held.current().principal.generation).toBe(2);
  });

  test('whose answer was lost in a crash is repeated with the same key (C-08)', async () => {
    const identity = await open({ dataDir });
    plane.tricks.push(...Array<'drop the answer'>(50).fill('drop the answer'));
    const renewing = identity.renew();
    await expect.poll(() => paths()).toContain('/v1/renew');
    await identity[Symbol.asyncDispose]();
    await expect(renewing).rejects.toThrow();
    plane.tricks.length = 0;
    await open({ dataDir });
    const keys = plane.seen.slice(1).map(({ body }) => publicKeyIn(body.csr));
    expect(new Set(keys).size).toBe(1);
  });

  test('happens by itself before the certificate ends', async () => {
    // Certificates are backdated by a minute: two thirds of 60 + 31 seconds are over half a second after the start.
    plane.lifeMs = 31_000;
    const identity = await open();
    plane.lifeMs = 3_600_000;
    await expect.poll(() => identity.held.current().principal.generation, { timeout: 10_000 }).toBe(2);
  });

  test('that is refused leaves the identity as it is, and says that it is lost', async () => {
    plane.lifeMs = 31_000;
    const identity = await open();
    plane.tricks.push('refuse');
    await once(identity.lost, 'abort', { signal: AbortSignal.timeout(10_000) });
    expect(identity.held.current().principal.generation).toBe(1);
  });
});

describe('an identity that is not accepted any more', () => {
  test('is asked about, and lost when it is not known', async () => {
    const identity = await open();
    await identity.check();
    expect(identity.lost.aborted).toBe(false);
    plane.tricks.push('refuse');
    await identity.check();
    expect(identity.lost.aborted).toBe(true);
  });

  test.each(['be busy', 'drop the connection'] as const)(
    'is not lost because a control plane answers nothing: %s',
    async (trick) => {
      const identity = await open();
      plane.tricks.push(trick);
      await identity.check();
      expect(identity.lost.aborted).toBe(false);
    },
  );

  test('is renewed before it is used again, and stays what it was where that succeeds', async () => {
    const identity = await open({ dataDir });
    plane.tricks.push('refuse');
    await identity.check();
    await identity[Symbol.asyncDispose]();
    expect((await open({ dataDir })).agentId).toBe('agent-1');
    await (await open({ dataDir }))[Symbol.asyncDispose]();
    expect(paths()).toEqual(['/v1/join', '/v1/agents/self', '/v1/renew']);
  });

  test('is replaced by joining anew, instead of being shown for ever', async () => {
    const identity = await open({ dataDir });
    plane.tricks.push('refuse', 'refuse');
    await identity.check();
    await identity[Symbol.asyncDispose]();
    const { agentId } = await open({ dataDir });
    expect(paths()).toEqual(['/v1/join', '/v1/agents/self', '/v1/renew', '/v1/join']);
    expect(agentId).toBe('agent-4');
  });

  test('is not replaced when it was locked: a person has to see to it', async () => {
    const identity = await open({ dataDir });
    plane.tricks.push('refuse a locked agent');
    await identity.check();
    expect(IdentityEnded.is(identity.lost.reason)).toBe(true);
    await identity[Symbol.asyncDispose]();
    plane.tricks.push('refuse a locked agent');
    const opening = open({ dataDir, views: ['0123456789abcdef0123456789abcdef'] });
    await expect(opening).rejects.toThrow(/this agent is locked \(it is in .*agent\.json\)/);
    expect(paths().filter((path) => path === '/v1/join')).toHaveLength(1);
    const { agentId } = await open({ dataDir });
    expect(agentId).toBe('agent-1');
  });
});

describe('a store instead of a data directory', () => {
  function memory(text?: string): StateStore & { text: string | undefined } {
    const store = {
      text,
      place: 'a Secret',
      read: () => Promise.resolve(store.text),
      write: async (next: string) => void (store.text = next),
    };
    return store;
  }

  test('keeps the identity, and the disk does not', async () => {
    const store = memory();
    await (await open({ store, dataDir }))[Symbol.asyncDispose]();
    await expect(stat(join(dataDir, 'identity'))).rejects.toThrow('ENOENT');
    const again = await open({ store, token: undefined });
    expect(again.agentId).toBe('agent-1');
    expect(store.text).not.toContain(token);
  });

  test('takes over what the data directory has, once', async () => {
    await (await open({ dataDir }))[Symbol.asyncDispose]();
    const store = memory();
    expect((await open({ store, dataDir, token: undefined })).agentId).toBe('agent-1');
    expect(store.text).toContain('agent-1');
  });

  test('is what counts where both have one', async () => {
    await (await open({ dataDir }))[Symbol.asyncDispose]();
    const store = memory();
    await (await open({ store }))[Symbol.asyncDispose]();
    expect((await open({ store, dataDir })).agentId).toBe('agent-2');
  });

  test('is written before the control plane is asked for a renewal (C-08)', async () => {
    const store = memory();
    const identity = await open({ store });
    plane.tricks.push(...Array<'drop the answer'>(50).fill('drop the answer'));
    const renewing = identity.renew();
    await expect.poll(() => paths()).toContain('/v1/renew');
    expect(store.text).toContain('"pending"');
    await identity[Symbol.asyncDispose]();
    await expect(renewing).rejects.toThrow();
    plane.tricks.length = 0;
    await open({ store });
    const keys = plane.seen.slice(1).map(({ body }) => publicKeyIn(body.csr));
    expect(new Set(keys).size).toBe(1);
  });
});

test('neither tokens nor private keys are logged', () => {
  const log = telemetry.lines.join('\n');
  expect(log).toContain('joined the control plane');
  expect(log).not.toContain(token);
  expect(log).not.toContain('PRIVATE KEY');
});

/** The SPKI of a P-256 key in a PKCS#10 request: 91 bytes from its own header on. */
function publicKeyIn(csr: string): string {
  const der = Buffer.from(csr.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64').toString('hex');
  const at = der.indexOf('3059301306072a8648ce3d0201');
  return der.slice(at, at + 182);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
