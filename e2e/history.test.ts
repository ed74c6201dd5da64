import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeApiServer, startKubeApiServer } from '@postern/lab';
import { mustRun, type SeparateStack, startSeparately, type Tools, toolsFor, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { type ServedClusters, serveClusters } from './support/serve-clusters.ts';

const cluster = 'payments';
const pods = { kind: 'pods', api_group: '', namespace: '*', name: '*', verbs: ['get', 'list'] };
const everything = { kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*'] };

interface Role {
  readonly metadata: { readonly name: string; readonly revision?: string };
  readonly spec: {
    readonly allow: { readonly kubernetes_groups: string[]; readonly kubernetes_resources: object[] };
  };
}

interface Change {
  readonly revision: string;
  readonly change: string;
  readonly user: string;
  readonly at: string;
  readonly name: string;
  readonly kind: string;
}

interface Audited {
  readonly requestId: string;
  readonly at: string;
  readonly verb: string;
  readonly resource: string;
  readonly decision: string;
}

describe('a role that is widened by mistake, used, and narrowed', () => {
  let folder: string;
  let starting: readonly [Promise<SeparateStack>, Promise<KubeApiServer>];
  let stack: SeparateStack;
  let served: ServedClusters;
  let alice: Tools;
  let bob: Tools;
  let carol: Tools;
  let admin: Tools;
  /** Ids of requests, as the client was told them. */
  const told: string[] = [];
  let whileWide: string;
  let changes: Change[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-history-'));
    starting = [
      startSeparately(folder, 1),
      startKubeApiServer({ dir: join(folder, 'target'), controllers: true, durable: false }),
    ];
    const [started, target] = await Promise.all(starting);
    stack = started;
    admin = stack.admin;
    await mustRun('kubectl', [
      '--kubeconfig',
      target.kubeconfig,
      'create',
      'clusterrolebinding',
      'viewers',
      '--clusterrole=view',
      '--group=viewers',
    ]);
    served = await serveClusters({ folder, stack, target, clusters: { [cluster]: { env: 'prod' } } });
    await write(admin, 'dev', ['viewers'], [pods]);
    [alice, bob, carol] = await Promise.all([
      person('alice', 'dev'),
      person('bob', 'editor'),
      person('carol', 'editor'),
    ]);
    await alice.must('tsh', ['kube', 'login', cluster]);
    await until('alice may read pods', async () => (await alice.kubectl(['get', 'pods', '-A'])).code === 0);
  });

  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    // Also when one of the two did not start.
    for (const outcome of await Promise.allSettled(starting)) {
      if (outcome.status === 'fulfilled') await outcome.value[Symbol.asyncDispose]();
    }
    await rm(folder, { recursive: true, force: true });
  });

  test('lets somebody do for a while what it should not', async () => {
    await deniedSecrets();
    await write(bob, 'dev', ['viewers', 'system:masters'], [pods, everything]);
    await until('the wide role counts', async () => {
      const { code, stderr } = await alice.kubectl(['get', 'secrets', '-n', 'kube-system']);
      if (code !== 0) throw new Error(stderr);
      return true;
    });
    await alice.must('tsh', ['kube', 'login', cluster]);
    expect((await alice.kubectl(['create', 'namespace', 'oops'])).code).toBe(0);
    whileWide = new Date().toISOString();
    // Carol takes too much away, as one does in a hurry.
    await write(carol, 'dev', ['viewers'], [{ ...pods, verbs: ['get'] }]);
    await until('the narrow role counts', async () => {
      const { code } = await alice.kubectl(['get', 'secrets', '-n', 'kube-system']);
      return code !== 0;
    });
    await deniedSecrets();
  });

  test('is told by tctl history: who, when and what', async () => {
    changes = JSON.parse(await admin.must('tctl', ['history', 'role/dev', '--format=json'])) as Change[];
    expect(changes.map(({ change, user }) => [change, user])).toEqual([
      ['updated', 'carol'],
      ['updated', 'bob'],
      ['created', 'admin'],
    ]);
    const [narrowed, widened, created] = (await admin.must('tctl', ['history', 'roles/dev'])).split('\n\n');
    expect(widened!.split('\n')).toEqual([
      `role/dev updated by bob at ${changes[1]!.at}`,
      `  revision ${changes[1]!.revision}`,
      expect.stringMatching(/^ {2}request {2}[0-9a-f-]{36}$/),
      '  ~ spec.allow.kubernetes_groups',
      '      + system:masters',
      '  ~ spec.allow.kubernetes_resources',
      '      + {"api_group":"*","kind":"*","name":"*","namespace":"*","verbs":["*"]}',
    ]);
    expect(narrowed).toContain('      - system:masters');
    expect(created).toContain('  + spec.allow.kubernetes_groups: [viewers]');
    const masked = await admin.must('tctl', ['history', `kube_cluster/${cluster}`]);
    expect(masked).toContain('+ spec.kubeconfig: *****');
  });

  test('is found among all changes by who made them', async () => {
    const including = `--including=role/dev@${changes[0]!.revision}`;
    const args = ['history', '--user=bob', '--since=1h', including, '--format=json'];
    const byBob = JSON.parse(await admin.must('tctl', args)) as Change[];
    expect(byBob.map(({ kind, name, revision }) => [kind, name, revision])).toEqual([
      ['role', 'dev', changes[1]!.revision],
    ]);
    const roles = JSON.parse(
      await admin.must('tctl', ['history', 'roles', '--limit=2', including, '--format=json']),
    ) as Change[];
    expect(roles.map(({ revision }) => revision)).toEqual([changes[0]!.revision, changes[1]!.revision]);
  });

  test('is shown as it was by tctl get --at', async () => {
    for (const moment of [whileWide, changes[1]!.revision]) {
      const wide = await roleAt(moment);
      expect(wide.spec.allow.kubernetes_groups).toEqual(['viewers', 'system:masters']);
      expect(wide.metadata.revision).toBe(changes[1]!.revision);
    }
    const before = await admin.run('tctl', ['get', 'role/dev', '--at=24h']);
    expect(before.code).not.toBe(0);
    expect(before.stderr).toMatch(/role "dev" did not exist at .*: it existed from .* on\n$/);
    expect(before.stderr).toContain(changes[2]!.at);
  });

  test('explains by tctl why each request, by the role of its moment', async () => {
    const id = await until('the creation of the namespace is recorded', async () => {
      const listed = JSON.parse(
        await admin.must('tctl', ['audit', 'ls', '--user=alice', '--since=1h', '--format=json']),
      ) as Audited[];
      return listed.find(({ verb, resource }) => verb === 'create' && resource === 'namespaces')?.requestId;
    });
    const allowed = await admin.must('tctl', ['why', id]);
    expect(allowed).toContain('Allowed by this rule:');
    expect(allowed).toMatch(/role dev, spec\.allow\.kubernetes_resources\[1\]: kind \*/);
    expect(allowed).toContain('system:masters');
    expect(allowed).toMatch(/found exactly as recorded/);
    expect(allowed).toContain('agrees with what was recorded');
    expect(allowed).toMatch(/OTHERWISE: the same request would be denied/);
    expect(allowed).toContain(changes[1]!.at);
    expect(allowed).toContain('/user/bob');
    for (const [place, writer] of [
      [0, '/user/admin'],
      [1, '/user/carol'],
    ] as const) {
      const denied = await until('the denial is recorded', async () => {
        const { code, stdout, stderr } = await admin.run('tctl', ['why', told[place]!]);
        if (code !== 0) throw new Error(stderr);
        return stdout;
      });
      expect(denied).toContain('No rule of any role allows it.');
      expect(denied).toContain('agrees with what was recorded');
      expect(denied).toContain(writer);
    }
  });

  test('is brought back by tctl restore to what it was before', async () => {
    const [narrowed, , created] = changes;
    const dry = await admin.must('tctl', ['restore', 'role/dev', `--to=${created!.revision}`, '--dry-run']);
    expect(dry).toContain('~ spec.allow.kubernetes_resources');
    expect(dry).toContain(`role "dev" would be restored to ${created!.revision}: nothing was changed`);
    expect((await roleAt('0')).metadata.revision).toBe(narrowed!.revision);
    const refused = await alice.run('tctl', ['restore', 'role/dev', `--to=${created!.revision}`]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('access denied');

    const done = await admin.must('tctl', ['restore', 'role/dev', `--to=${created!.revision}`]);
    expect(done).toContain(`role "dev" has been restored to ${created!.revision}`);
    const [restored] = JSON.parse(
      await admin.must('tctl', ['history', 'role/dev', '--limit=1', '--format=json']),
    ) as (Change & { restoredFrom: string })[];
    expect(restored).toMatchObject({ change: 'restored', user: 'admin', restoredFrom: created!.revision });
    const then = await roleAt(created!.revision);
    expect((await roleAt('0')).spec).toEqual(then.spec);
    await until(
      'alice may list pods again',
      async () => (await alice.kubectl(['get', 'pods', '-A'])).code === 0,
    );
    expect((await alice.kubectl(['get', 'secrets', '-n', 'kube-system'])).code).not.toBe(0);
    expect(await admin.must('tctl', ['restore', 'role/dev', `--to=${created!.revision}`])).toContain(
      'is like that already',
    );
  });

  test('comes back also after it was deleted, and a kubeconfig does not', async () => {
    await write(admin, 'spare', ['viewers'], [pods]);
    await admin.must('tctl', ['rm', 'role/spare']);
    const gone = await admin.run('tctl', ['get', 'role/spare', '--at=0s']);
    expect(gone.stderr).toMatch(/did not exist at .*: it existed from .* until /);
    const [, made] = JSON.parse(
      await admin.must('tctl', ['history', 'role/spare', '--format=json']),
    ) as Change[];
    await admin.must('tctl', ['restore', 'role/spare', `--to=${made!.revision}`]);
    expect(await admin.must('tctl', ['get', 'role/spare'])).toContain('viewers');

    await admin.must('tctl', ['rm', `kube_cluster/${cluster}`]);
    const [, was] = JSON.parse(
      await admin.must('tctl', ['history', `kube_cluster/${cluster}`, '--format=json']),
    ) as Change[];
    const refused = await admin.run('tctl', ['restore', `kube_cluster/${cluster}`, `--to=${was!.revision}`]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('spec.kubeconfig');
    expect(refused.stderr).toContain('pass spec.kubeconfig again');
  });

  async function person(name: string, roles: string): Promise<Tools> {
    const home = join(folder, name);
    await mkdir(home, { recursive: true });
    const identityFile = join(home, 'identity.pem');
    await admin.must('tctl', ['users', 'add', name, `--roles=${roles}`]);
    await admin.must('tctl', [
      'auth',
      'sign',
      `--user=${name}`,
      '--ttl=1h',
      '--format=file',
      `--out=${identityFile}`,
    ]);
    return toolsFor({ home, dataDir: stack.dataDir, identityFile });
  }

  async function write(as: Tools, name: string, groups: string[], resources: object[]): Promise<void> {
    const allow = {
      kubernetes_labels: { '*': '*' },
      kubernetes_groups: groups,
      kubernetes_resources: resources,
    };
    const file = join(folder, `${name}.yaml`);
    await writeFile(file, stringify({ kind: 'role', version: 'v8', metadata: { name }, spec: { allow } }));
    await as.must('tctl', ['create', '-f', file]);
  }

  async function roleAt(moment: string): Promise<Role> {
    return parse(await admin.must('tctl', ['get', 'role/dev', `--at=${moment}`])) as Role;
  }

  /** Alice is refused, and told by which id an administrator finds out why. */
  async function deniedSecrets(): Promise<void> {
    const { code, stderr } = await alice.kubectl(['get', 'secrets', '-n', 'kube-system']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('User "alice" cannot list resource "secrets"');
    const [, id] = /tctl why ([0-9a-f-]{36})/.exec(stderr) ?? [];
    expect(id).toBeDefined();
    told.push(id!);
  }
});
