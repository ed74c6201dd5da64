import { connectBus, openView, readViewStream, type View } from '@postern/bus';
import {
  agentSubjects,
  everything,
  sealEpochOf,
  type Selector,
  selectorHash,
  type ViewKeyReply,
} from '@postern/contracts';
import { systemClock } from '@postern/core';
import {
  createAuthority,
  generateKeyPair,
  HeldIdentity,
  issueCertificate,
  newUnwrapping,
  openFromView,
  signViewProof,
  type ViewKeys,
} from '@postern/identity';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { canary, cluster, kubeconfig } from './support/documents.ts';
import { startService, type TestService } from './support/service.ts';
import { clusterName } from './support/trust.ts';

let service: TestService;

beforeAll(async () => {
  service = await startService();
});

afterAll(() => service[Symbol.asyncDispose]());

const write = (name: string, labels: Record<string, string>) =>
  service.as('admin')({
    method: 'PUT',
    path: `/v1/resources/kube_cluster/${name}`,
    body: cluster(name, labels),
  });
const secretView = (env: string): Selector => ({
  kinds: ['kube_cluster'],
  any: [{ labels: { env: [env] } }],
  secrets: true,
});

/** An agent as kube-proxy is one: it proves who it is and asks for keys. */
class Reader {
  readonly id: string;
  readonly held: HeldIdentity;
  readonly view: View;
  keys: ViewKeys = new Map();

  constructor(id: string, held: HeldIdentity, selector: Selector) {
    this.id = id;
    this.held = held;
    const prove = (hash: string) => signViewProof(held, { hash }, systemClock);
    this.view = openView(service.bus, { agentId: id, selector, prove, snapshotIntervalMs: 200 });
    onTestFinished(() => this.view.close());
  }

  async ask(): Promise<ViewKeyReply> {
    const { hash } = this.view;
    const { recipient, unwrap } = await newUnwrapping();
    const proof = await signViewProof(this.held, { hash, recipient }, systemClock);
    const reply = await request(this.id, { hash, proof });
    if (reply.ok) this.keys = await unwrap(reply.wrapped, { hash, agentId: this.id });
    return reply;
  }

  /** What is sealed in an entry; the keys are asked for when its epoch is unknown. */
  async open(name: string): Promise<string> {
    const entry = this.view.get('kube_cluster', name);
    if (!entry?.sealed) throw new Error('there is no such entry');
    if (!this.keys.has(sealEpochOf(entry.sealed))) expect(await this.ask()).toMatchObject({ ok: true });
    return openFromView(this.keys, { hash: this.view.hash, ...entry }, entry.sealed);
  }

  epochOf(name: string): number {
    return sealEpochOf(this.view.get('kube_cluster', name)?.sealed ?? '');
  }
}

const request = async (id: string, body: object) =>
  (await service.bus.request(agentSubjects.viewKey(id), body)) as ViewKeyReply;

async function reader(id: string, selector: Selector, roles = ['Kube']): Promise<Reader> {
  await service.joined(id, roles);
  const made = new Reader(id, await service.held(id, roles), selector);
  await made.view.ready;
  return made;
}

const leave = (id: string) => service.store.db.deleteFrom('view_reader').where('agent_id', '=', id).execute();

describe('a view with secrets', () => {
  test('shows a kubeconfig to an agent that reads it, and to nobody on the way', async () => {
    const wire: string[] = [];
    const spy = await connectBus({ servers: service.nats.url, name: 'spy' });
    onTestFinished(() => spy[Symbol.asyncDispose]());
    spy.subscribe('>', {}, (message) => void wire.push(`${message.subject} ${message.text()}`));
    await spy.flush();
    await write('before', { env: 'wire' });
    const agent = await reader('kube-wire', secretView('wire'));
    await write('after', { env: 'wire' });
    await until('the entry is there', () => agent.view.get('kube_cluster', 'after')?.sealed);
    const opened = JSON.parse(await agent.open('before')) as { 'spec.kubeconfig': string };
    const stored = opened['spec.kubeconfig'];
    expect(Buffer.from(stored, 'base64').toString()).toContain(canary);
    expect(JSON.parse(await agent.open('after'))).toEqual(opened);
    await until('the spy saw the entry', () => wire.some((line) => line.includes('.kube_cluster.after')));
    const everywhere = [
      ...wire,
      JSON.stringify(await readViewStream(service.bus)),
      ...service.telemetry.lines,
    ];
    const keys = [...agent.keys.values()];
    expect(keys).toHaveLength(1);
    const secrets = [canary, kubeconfig.slice(0, 40), stored.slice(0, 40)];
    for (const secret of [...secrets, Buffer.from(canary).toString('base64url'), ...keys])
      expect(everywhere.filter((line) => line.includes(secret))).toEqual([]);
  });

  test('shares its name with none that shows no secrets', async () => {
    const { secrets: _, ...plain } = secretView('wire');
    expect(selectorHash(plain)).not.toBe(selectorHash(secretView('wire')));
    expect(selectorHash({ ...plain, secrets: false })).toBe(selectorHash(plain));
    const agent = await reader('kube-plain', plain);
    await write('plain-1', { env: 'wire' });
    await until('the entry is there', () => agent.view.get('kube_cluster', 'plain-1'));
    expect(agent.view.get('kube_cluster', 'plain-1')).not.toHaveProperty('sealed');
    expect(await agent.ask()).toMatchObject({ ok: false, code: 'resource.no_view_keys' });
  });

  test('opens for the role Kube and for clusters only', async () => {
    const ask = async (id: string, roles: string[], selector: Selector) => {
      await service.joined(id, roles);
      return service.bus.request(agentSubjects.openView(id), { selector }, { timeoutMs: 10_000 });
    };
    const refused = { ok: false, code: 'resource.view_forbidden' };
    expect(await ask('edge-s', ['Proxy'], secretView('x'))).toMatchObject(refused);
    expect(await ask('disc-s', ['Discovery'], secretView('x'))).toMatchObject(refused);
    expect(await ask('auth-s', ['Auth'], secretView('x'))).toMatchObject(refused);
    expect(await ask('join-svc-9', ['Auth'], secretView('x'))).toMatchObject(refused);
    const more = { ...everything('kube_cluster', 'token'), secrets: true };
    expect(await ask('kube-s', ['Kube', 'Auth'], more)).toMatchObject(refused);
    expect(await ask('both-s', ['Proxy', 'Kube'], secretView('x'))).toMatchObject({ ok: true });
  });

  test('does not show the secret of a revision that left it', async () => {
    const agent = await reader('kube-left', secretView('left'));
    await write('left-1', { env: 'left' });
    await until('it is there', () => agent.view.get('kube_cluster', 'left-1')?.sealed);
    await write('left-1', { env: 'elsewhere' });
    await until('it is gone', () => agent.view.get('kube_cluster', 'left-1') === undefined);
    const left = (await readViewStream(service.bus)).filter(({ id }) => id === 'left-1');
    expect(left.every(({ sealed }) => sealed === undefined)).toBe(true);
  });
});

describe('the keys of a view', () => {
  test('go to nobody but the agent that reads it, asks now and has the role', async () => {
    await write('keys-1', { env: 'keys' });
    const own = await reader('kube-own', secretView('keys'));
    const { hash } = own.view;
    const { recipient } = await newUnwrapping();
    const proofOf = async (held: HeldIdentity, at = new Date(), claim: object = { hash, recipient }) =>
      signViewProof(held, claim as { hash: string }, () => at);
    const good = await proofOf(own.held);
    expect(await request('kube-own', { hash, proof: good })).toMatchObject({ ok: true });

    await service.joined('kube-other', ['Kube']);
    const other = await service.held('kube-other', ['Kube']);
    const minutesAgo = new Date(Date.now() - 300_000);
    const cases: [string, string, object, string][] = [
      ['another agent that does not read it', 'kube-other', await proofOf(other), 'resource.no_view_keys'],
      ["with the reader's proof", 'kube-other', good, 'identity.invalid_view_proof'],
      ['as the reader, with an own proof', 'kube-own', await proofOf(other), 'identity.invalid_view_proof'],
      ['an old proof', 'kube-own', await proofOf(own.held, minutesAgo), 'identity.invalid_view_proof'],
      [
        'a proof for another view',
        'kube-own',
        await proofOf(own.held, new Date(), { hash: 'a'.repeat(32), recipient }),
        'identity.invalid_view_proof',
      ],
      ['no recipient', 'kube-own', await proofOf(own.held, new Date(), { hash }), 'resource.view_forbidden'],
      [
        'another authority',
        'kube-own',
        await proofOf(await foreign('kube-own')),
        'identity.untrusted_certificate',
      ],
      [
        'a role that is not Kube',
        'kube-own',
        await proofOf(await service.held('kube-own', ['Discovery'])),
        'resource.view_forbidden',
      ],
    ];
    for (const [what, id, proof, code] of cases)
      expect(await request(id, { hash, proof }), what).toMatchObject({ ok: false, code });
    for (const body of [
      {},
      { hash },
      { hash: 5, proof: good },
      { hash, proof: { certificate: 'x'.repeat(9000), statement: '' } },
      [],
    ])
      expect(await request('kube-own', body)).toMatchObject({ ok: false });
  });

  test('change when a reader leaves: those that stay read on at every moment, the other never again', async () => {
    for (const name of ['leave-1', 'leave-2', 'leave-3']) await write(name, { env: 'leave' });
    const [stays, leaves] = [
      await reader('kube-stays', secretView('leave')),
      await reader('kube-leaves', secretView('leave')),
    ];
    expect(await leaves.open('leave-1')).toContain('kubeconfig');
    expect(await stays.open('leave-1')).toContain('kubeconfig');
    const before = stays.epochOf('leave-1');
    leaves.view.close();
    const known = leaves.keys;
    await leave('kube-leaves');
    await until('every entry is sealed anew', async () => {
      for (const name of ['leave-1', 'leave-2', 'leave-3'])
        expect(await stays.open(name)).toContain('kubeconfig');
      return ['leave-1', 'leave-2', 'leave-3'].every((name) => stays.epochOf(name) > before);
    });
    await write('leave-4', { env: 'leave' });
    await until('the new one is there', () => stays.view.get('kube_cluster', 'leave-4')?.sealed);
    for (const name of ['leave-1', 'leave-4']) {
      const entry = stays.view.get('kube_cluster', name)!;
      await expect(
        openFromView(known, { hash: stays.view.hash, ...entry }, entry.sealed!),
      ).rejects.toMatchObject({
        code: 'identity.not_sealed_for_this',
      });
    }
    expect(await leaves.ask()).toMatchObject({ ok: false });
    const events = await service.store.load(`view/${stays.view.hash}`);
    expect(events.filter(({ type }) => type === 'ViewRekeyed')).toMatchObject([
      { data: { left: ['kube-leaves'] } },
    ]);
    await until('the old key is shredded', async () => {
      const keys = await service.store.db
        .selectFrom('view_key')
        .select('epoch')
        .where('hash', '=', stays.view.hash)
        .execute();
      return keys.length === 1;
    });
  });

  test('change when a reader is revoked, who opens nothing again, whatever it shows', async () => {
    await write('revoke-1', { env: 'revoke' });
    const [stays, revoked] = [
      await reader('kube-r1', secretView('revoke')),
      await reader('kube-r2', secretView('revoke')),
    ];
    await revoked.open('revoke-1');
    await stays.open('revoke-1');
    const before = stays.epochOf('revoke-1');
    const began = performance.now();
    await service.revoked('kube-r2');
    await until('it is sealed anew', () => stays.epochOf('revoke-1') > before);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(await stays.open('revoke-1')).toContain('kubeconfig');
    expect(await revoked.ask()).toMatchObject({ ok: false });
    const { hash } = revoked.view;
    const proof = await signViewProof(revoked.held, { hash }, systemClock);
    expect(
      await service.bus.request(agentSubjects.openView('kube-r2'), { selector: secretView('revoke'), proof }),
    ).toMatchObject({ ok: false, code: 'resource.view_forbidden' });
    expect(await service.bus.request(agentSubjects.snapshot('kube-r2'), { hash, after: '' })).toMatchObject({
      ok: false,
    });
  });

  test('change also when the reader was revoked while it asked for a page, and has its lease again', async () => {
    await write('late-1', { env: 'late' });
    const revoked = await reader('kube-late', secretView('late'));
    await revoked.open('late-1');
    revoked.view.close();
    const { db } = service.store;
    const current = async () => {
      const keys = db.selectFrom('view_key').select('epoch').where('hash', '=', revoked.view.hash);
      return Math.max(...(await keys.execute()).map(({ epoch }) => epoch));
    };
    const before = await current();
    await db
      .updateTable('agent_roles')
      .set({ revoked_at: new Date() })
      .where('agent_id', '=', 'kube-late')
      .execute();
    const leases = db.selectFrom('view_reader').select('hash').where('agent_id', '=', 'kube-late');
    expect(await leases.execute()).toHaveLength(1);
    await until('a new epoch has begun', async () => (await current()) > before);
  });
});

describe('an agent whose joining nobody remembers', () => {
  test('gets its views again by its certificate', async () => {
    await write('lost-1', { env: 'lost-news' });
    const kube = new Reader('kube-lost', await service.held('kube-lost', ['Kube']), secretView('lost-news'));
    const edge = new Reader(
      'edge-lost',
      await service.held('edge-lost', ['Proxy']),
      everything('role', 'user'),
    );
    await Promise.all([kube.view.ready, edge.view.ready]);
    expect(await kube.open('lost-1')).toContain('kubeconfig');
    expect(edge.view.entries('role').length).toBeGreaterThan(0);
  });

  test('gets no view that its certificate does not entitle it to', async () => {
    const open = async (id: string, held: HeldIdentity, selector: Selector) => {
      const proof = await signViewProof(held, { hash: selectorHash(selector) }, systemClock);
      return service.bus.request(agentSubjects.openView(id), { selector, proof }, { timeoutMs: 10_000 });
    };
    const refused = { ok: false, code: 'resource.view_forbidden' };
    const roles = everything('role', 'user');
    expect(await open('kube-u1', await service.held('kube-u1', ['Kube']), roles)).toMatchObject(refused);
    expect(await open('kube-u2', await service.held('edge-u2', ['Proxy']), roles)).toMatchObject(refused);
    expect(await open('kube-u3', await foreign('kube-u3'), secretView('x'))).toMatchObject(refused);
  });
});

async function foreign(id: string): Promise<HeldIdentity> {
  const host = await createAuthority({ use: 'host', clusterName, clock: systemClock });
  const { privateKey, publicKey } = await generateKeyPair();
  const certificate = await issueCertificate(host, {
    type: 'agent',
    id,
    roles: ['Kube'],
    publicKey,
    generation: 1,
    notAfter: new Date(Date.now() + 3_600_000),
    dnsNames: [],
    ipAddresses: [],
  });
  const material = { key: privateKey, certificate, hostCa: host.certificate, userCa: host.certificate };
  return new HeldIdentity({ ...material, clusterName });
}
