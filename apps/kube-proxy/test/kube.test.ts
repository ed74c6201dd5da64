import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeApiServer, locateKubectl, startKubeApiServer } from '@postern/lab';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { at, clusterPath, everythingAllowed, type Rig, startRig, until } from './support/rig.ts';

const dir = mkdtempSync(join(tmpdir(), 'postern-kube-'));
let server: KubeApiServer;
let kubectlPath: string;

beforeAll(async () => {
  server = await startKubeApiServer({ dir: join(dir, 'kube'), durable: false, auditLog: true });
  kubectlPath = (await locateKubectl()) ?? 'kubectl';
  await admin(['create', 'namespace', 'dev']);
  await admin(['create', 'namespace', 'prod']);
  await admin(['create', 'clusterrolebinding', 'editors', '--clusterrole=cluster-admin', '--group=editors']);
  for (const namespace of ['default', 'dev', 'prod']) {
    for (const name of ['nginx-1', 'nginx-2', 'test']) {
      await admin(['-n', namespace, 'create', 'configmap', name, '--from-literal=a=b']);
    }
  }
}, 180_000);

afterAll(async () => {
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(kubeconfig: string, args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { KUBECONFIG: kubeconfig, HOME: dir, PATH: process.env['PATH'] };
    const child = execFile(
      kubectlPath,
      ['--request-timeout=20s', '--cache-dir', join(dir, 'cache', kubeconfig.replaceAll('/', '_')), ...args],
      { env },
      (error, out, err) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, out, err });
      },
    );
    child.stdin?.end(input);
  });
}

async function admin(args: readonly string[]): Promise<string> {
  const { code, out, err } = await run(server.kubeconfig, args);
  if (code !== 0) throw new Error(err);
  return out;
}

const inline = (path: string) => readFileSync(path).toString('base64');

describe.each(['together', 'split'] as const)('a real API server, edge and agent %s', (shape) => {
  let rig: Rig;
  let kubeconfigs = 0;
  beforeAll(async () => {
    rig = await startRig({ shape });
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'x',
      clusters: [
        { name: 'x', cluster: { server: server.url, 'certificate-authority-data': inline(server.caFile) } },
      ],
      users: [
        {
          name: 'x',
          user: {
            'client-certificate-data': inline(server.admin.cert),
            'client-key-data': inline(server.admin.key),
          },
        },
      ],
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    };
    await rig.cluster('real', JSON.stringify(kubeconfig), { env: 'test' });
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  /** A user with one role; answers how it runs kubectl. */
  const userWith = async (
    name: string,
    allow: Record<string, unknown>,
    deny: Record<string, unknown> = {},
  ) => {
    rig.role(`${name}-role`, {
      allow: { kubernetes_labels: { '*': '*' }, kubernetes_groups: ['editors'], ...allow },
      deny,
    });
    rig.user(name, [`${name}-role`]);
    const { cert, key } = await rig.pki.person(name);
    const data = (pem: string) => Buffer.from(pem).toString('base64');
    const file = join(dir, `${shape}-${(kubeconfigs += 1)}`);
    const cluster = {
      server: `https://127.0.0.1:${rig.port}${at('real', '')}`,
      'tls-server-name': 'localhost',
      'certificate-authority-data': data(rig.pki.host.certificate),
    };
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'x',
        clusters: [{ name: 'x', cluster }],
        users: [{ name: 'x', user: { 'client-certificate-data': data(cert), 'client-key-data': data(key) } }],
        contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
      }),
    );
    return (args: readonly string[], input?: string) => run(file, args, input);
  };
  const rule = (name: string, namespace: string, verbs = ['*']) => ({
    kind: 'configmaps',
    api_group: '',
    namespace,
    name,
    verbs,
  });

  test('serves get, list, create, patch, apply, replace, label and delete', async () => {
    const kubectl = await userWith('full', everythingAllowed);
    expect((await kubectl(['get', 'namespaces', '-o', 'name'])).out).toContain('namespace/dev');
    expect(
      (await kubectl(['-n', 'dev', 'create', 'configmap', `made-${shape}`, '--from-literal=a=1'])).err,
    ).toBe('');
    expect((await kubectl(['-n', 'dev', 'get', 'configmap', `made-${shape}`])).out).toContain(
      `made-${shape}`,
    );
    expect(
      (await kubectl(['-n', 'dev', 'patch', 'configmap', `made-${shape}`, '-p', '{"data":{"a":"2"}}'])).code,
    ).toBe(0);
    const manifest = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: `applied-${shape}`, namespace: 'dev' },
      data: { x: 'y' },
    });
    expect((await kubectl(['apply', '-f', '-'], manifest)).err).toBe('');
    expect((await kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], manifest)).code).toBe(
      0,
    );
    expect((await kubectl(['replace', '-f', '-'], manifest)).code).toBe(0);
    expect((await kubectl(['-n', 'dev', 'label', 'configmap', `made-${shape}`, 'a=b'])).code).toBe(0);
    expect(
      (await kubectl(['-n', 'dev', 'delete', 'configmap', `made-${shape}`, `applied-${shape}`])).code,
    ).toBe(0);
    expect((await kubectl(['version'])).out).toContain('Server Version');
    expect((await kubectl(['api-resources', '-o', 'name'])).out).toContain('deployments.apps');
  });

  const everyNamespace = [
    'get',
    'configmaps',
    '-A',
    '--no-headers',
    '-o',
    'custom-columns=NS:.metadata.namespace,N:.metadata.name',
  ];
  const seen = (out: string) =>
    out
      .trim()
      .split('\n')
      .map((line) => line.trim().replace(/\s+/, '/'))
      .filter((line) => /nginx|test/.test(line));

  test.each<
    [string, Record<string, unknown>, Record<string, unknown>, string[], [string, string, boolean][]]
  >([
    [
      'full access',
      everythingAllowed,
      {},
      [
        'default/nginx-1',
        'default/nginx-2',
        'default/test',
        'dev/nginx-1',
        'dev/nginx-2',
        'dev/test',
        'prod/nginx-1',
        'prod/nginx-2',
        'prod/test',
      ],
      [['dev', 'test', true]],
    ],
    [
      'namespace default only',
      { kubernetes_resources: [rule('*', 'default')] },
      {},
      ['default/nginx-1', 'default/nginx-2', 'default/test'],
      [
        ['default', 'test', true],
        ['dev', 'nginx-1', false],
      ],
    ],
    [
      'name nginx-* in default',
      { kubernetes_resources: [rule('nginx-*', 'default')] },
      {},
      ['default/nginx-1', 'default/nginx-2'],
      [
        ['default', 'nginx-2', true],
        ['default', 'test', false],
        ['dev', 'nginx-1', false],
      ],
    ],
    [
      'all but default/nginx-1',
      everythingAllowed,
      { kubernetes_resources: [rule('nginx-1', 'default')] },
      [
        'default/nginx-2',
        'default/test',
        'dev/nginx-1',
        'dev/nginx-2',
        'dev/test',
        'prod/nginx-1',
        'prod/nginx-2',
        'prod/test',
      ],
      [
        ['default', 'nginx-1', false],
        ['dev', 'nginx-1', true],
      ],
    ],
    [
      'a regular expression',
      { kubernetes_resources: [rule('^nginx-[2-9]$', '^(dev|prod)$')] },
      {},
      ['dev/nginx-2', 'prod/nginx-2'],
      [
        ['dev', 'nginx-1', false],
        ['prod', 'nginx-2', true],
      ],
    ],
    [
      'verb list only',
      { kubernetes_resources: [rule('*', 'dev', ['list'])] },
      {},
      ['dev/nginx-1', 'dev/nginx-2', 'dev/test'],
      [['dev', 'nginx-1', false]],
    ],
  ])('shows a role with %s what it may see', async (...[name, allow, deny, listed, gets]) => {
    const kubectl = await userWith(`u-${name.replaceAll(/\W/g, '-')}`, allow, deny);
    const objects = await kubectl(everyNamespace);
    expect(objects.err).toBe('');
    expect(seen(objects.out)).toEqual(listed);
    // The same in the form that people see, where the API server prints rows.
    const rows = await kubectl(['get', 'configmaps', '-A', '--no-headers']);
    expect(
      rows.out
        .split('\n')
        .filter((line) => /nginx|test/.test(line))
        .map((line) => line.split(/\s+/).slice(0, 2).join('/')),
    ).toEqual(listed);
    for (const [namespace, object, wanted] of gets) {
      const { code, err } = await kubectl(['-n', namespace, 'get', 'configmap', object]);
      expect(code === 0, `${namespace}/${object}`).toBe(wanted);
      if (!wanted) expect(err).toContain(`configmaps "${object}" is forbidden: User`);
    }
  });

  test('pages through a list of which little may be seen', async () => {
    const kubectl = await userWith('pager', { kubernetes_resources: [rule('nginx-2', '*')] });
    const { out, err } = await kubectl(['get', 'configmaps', '-A', '--chunk-size=1', '-o', 'name']);
    expect(err).toBe('');
    expect(out.trim().split('\n')).toEqual(['configmap/nginx-2', 'configmap/nginx-2', 'configmap/nginx-2']);
  });

  test('shows a watcher only what it may see, and cuts the watch when its role goes', async () => {
    const allow = { kubernetes_resources: [rule('nginx-*', 'dev'), rule('shown', 'dev')] };
    const kubectl = await userWith('watcher', allow);
    const watching = kubectl(['-n', 'dev', 'get', 'configmaps', '--watch', '--no-headers']);
    await until(() => rig.edge.role.open.size === 1, 'the watch is open');
    await admin(['-n', 'dev', 'create', 'configmap', 'hidden']);
    await admin(['-n', 'dev', 'create', 'configmap', 'shown']);
    await admin(['-n', 'dev', 'delete', 'configmap', 'hidden', 'shown']);
    const cutAt = performance.now();
    rig.user('watcher', []);
    const { out, err } = await watching;
    expect(performance.now() - cutAt).toBeLessThan(2000);
    expect(out).toMatch(/nginx-1[^]*nginx-2[^]*shown/);
    expect(out).not.toMatch(/hidden|test/);
    expect(`${out}${err}`).toContain('access changed');
  });

  test('lets a role create only the names it may (P-13)', async () => {
    const kubectl = await userWith('maker', { kubernetes_resources: [rule(`own-*`, 'dev')] });
    expect((await kubectl(['-n', 'dev', 'create', 'configmap', `own-${shape}`])).err).toBe('');
    expect((await kubectl(['-n', 'dev', 'create', 'configmap', 'other'])).err).toContain('is forbidden');
    const generated = (prefix: string) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { generateName: prefix, namespace: 'dev' },
      });
    expect((await kubectl(['create', '-f', '-'], generated('own-'))).code).toBe(0);
    expect((await kubectl(['create', '-f', '-'], generated('other-'))).err).toContain('is forbidden');
    expect((await kubectl(['-n', 'dev', 'delete', 'configmaps', '--all'])).out).not.toContain('nginx');
    expect(
      seen(
        await admin(['-n', 'dev', 'get', 'configmaps', '-o', 'name']).then((out) =>
          out.replaceAll('configmap/', 'dev/'),
        ),
      ).length,
    ).toBe(3);
  });

  test('does not delete a collection that a role may see only in part (P-11)', async () => {
    const kubectl = await userWith('deleter', { kubernetes_resources: [rule('own-*', 'dev')] });
    const { code, err } = await kubectl(['delete', '--raw', at('real', '/api/v1/namespaces/dev/configmaps')]);
    expect(code).not.toBe(0);
    expect(err).toContain('cannot be deleted as a collection');
  });

  test('lets nobody create by update without the right to create (P-12)', async () => {
    const group = 'coordination.k8s.io';
    const kubectl = await userWith('updater', {
      kubernetes_resources: [
        { kind: 'leases', api_group: group, namespace: 'dev', name: '*', verbs: ['get', 'update', 'patch'] },
      ],
    });
    const lease = (metadata: Record<string, unknown> = {}) =>
      JSON.stringify({
        apiVersion: `${group}/v1`,
        kind: 'Lease',
        metadata: { name: 'made', namespace: 'dev', ...metadata },
        spec: {},
      });
    const path = at('real', `/apis/${group}/v1/namespaces/dev/leases/made`);
    const replace = (body: string) => kubectl(['replace', '--raw', path, '-f', '-'], body);
    // A lease is made by a PUT of any resource version: only a uid names an object that is there.
    expect((await replace(lease())).err).toContain('may create');
    expect((await replace(lease({ resourceVersion: '1' }))).err).toContain('may create');
    const foreign = '00000000-0000-4000-8000-000000000000';
    expect((await replace(lease({ uid: foreign }))).err).toContain('Precondition failed');
    const apply = await kubectl(['apply', '--server-side', '-f', '-'], lease());
    expect(apply.err).toContain('cannot create resource');
    expect(await admin(['-n', 'dev', 'get', 'leases', '-o', 'name'])).toBe('');
    await run(server.kubeconfig, ['-n', 'dev', 'create', '-f', '-'], lease());
    const made = JSON.parse(await admin(['-n', 'dev', 'get', 'lease', 'made', '-o', 'json'])) as {
      metadata: Record<string, unknown>;
    };
    expect((await replace(lease(made.metadata))).err).toBe('');
    await admin(['-n', 'dev', 'delete', 'lease', 'made']);
  });

  test('knows the name in a body as the API server does (P-13)', async () => {
    const kubectl = await userWith('namer', {
      kubernetes_resources: [rule('nginx-*', 'dev', ['create'])],
    });
    const path = at('real', '/api/v1/namespaces/dev/configmaps');
    const create = (body: string) => kubectl(['create', '--raw', path, '-f', '-'], body);
    const hidden = [
      '{"metadata":{"name":"hidden-1"},"metadata":{"generateName":"nginx-"}}',
      '{"metadata":{"name":"hidden-2"},"metadata":{"name":"nginx-h2","generateName":"x"},"metadata":{}}',
      '{"metadata":{"name":"hidden-3"}}',
    ];
    for (const body of hidden) expect((await create(body)).code).not.toBe(0);
    expect((await create(`{"metadata":{"generateName":"nginx-${shape}-"}}`)).code).toBe(0);
    const names = (await admin(['-n', 'dev', 'get', 'configmaps', '-o', 'name'])).split('\n');
    expect(names.filter((name) => name.includes('hidden'))).toEqual([]);
    const made = names.filter((name) => name.includes(`/nginx-${shape}-`));
    expect(made).toHaveLength(1);
    await admin(['-n', 'dev', 'delete', ...made]);
  });

  test('answers can-i by both sets of rules (A-16)', async () => {
    const kubectl = await userWith('asker', { kubernetes_resources: [rule('nginx-*', 'dev', ['get'])] });
    expect((await kubectl(['auth', 'can-i', 'get', 'configmaps/nginx-1', '-n', 'dev'])).out.trim()).toBe(
      'yes',
    );
    const no = await kubectl(['auth', 'can-i', 'get', 'configmaps/test', '-n', 'dev']);
    expect(no.out).toContain('no - access to configmaps dev/test denied by Teleport');
    expect((await kubectl(['auth', 'can-i', 'delete', 'configmaps/nginx-1', '-n', 'dev'])).out).toContain(
      'no',
    );
    const weak = await userWith('weak', { ...everythingAllowed, kubernetes_groups: ['nobody'] });
    expect((await weak(['auth', 'can-i', 'get', 'configmaps', '-n', 'dev'])).out.trim()).toBe('no');
  });

  test('lists what may be done by both sets of rules (A-16)', async () => {
    const kubectl = await userWith('lister', { kubernetes_resources: [rule('nginx-*', 'dev', ['get'])] });
    const { out } = await kubectl(['auth', 'can-i', '--list', '-n', 'dev']);
    const lines = out.split('\n').map((line) => line.trim().split(/\s{2,}/));
    expect(lines).toContainEqual(['configmaps', '[]', '[nginx-*]', '[get]']);
    expect(lines).toContainEqual(['selfsubjectaccessreviews.authorization.k8s.io', '[]', '[]', '[create]']);
    expect(out).not.toMatch(/secrets|\*\.\*/);
    const weak = await userWith('weak-lister', { ...everythingAllowed, kubernetes_groups: ['nobody'] });
    expect((await weak(['auth', 'can-i', '--list', '-n', 'dev'])).out).not.toMatch(/configmaps|\*\.\*/);
    const strong = await userWith('strong-lister', { ...everythingAllowed });
    expect((await strong(['auth', 'can-i', '--list', '-n', 'dev'])).out).toMatch(
      /^\*\.\* +\[\] +\[\] +\[\*\]$/m,
    );
  });

  test('asks about access with the groups of the roles that allow it, and no others (A-16)', async () => {
    const kubectl = await userWith('two-roles', {
      kubernetes_groups: ['nobody'],
      kubernetes_resources: [rule('nginx-*', 'dev')],
    });
    rig.role('other-role', {
      allow: {
        kubernetes_labels: { '*': '*' },
        kubernetes_groups: ['editors'],
        kubernetes_resources: [rule('nginx-*', 'prod')],
      },
    });
    rig.user('two-roles', ['two-roles-role', 'other-role']);
    for (const [namespace, says] of [
      ['dev', 'no'],
      ['prod', 'yes'],
    ] as const) {
      const asked = await kubectl(['auth', 'can-i', 'get', 'configmaps/nginx-1', '-n', namespace]);
      const done = await kubectl(['get', 'configmap', 'nginx-1', '-n', namespace]);
      expect([namespace, asked.out.trim().split(' ')[0], done.code === 0]).toEqual([
        namespace,
        says,
        says === 'yes',
      ]);
    }
  });

  test('has the last word by its own rules', async () => {
    const kubectl = await userWith('viewer', { ...everythingAllowed, kubernetes_groups: ['nobody'] });
    expect((await kubectl(['get', 'configmaps', '-A'])).err).toContain(
      'User "viewer" cannot list resource "configmaps"',
    );
  });

  test('lets --as choose among the users and groups of the roles (H-10)', async () => {
    const kubectl = await userWith('chooser', {
      ...everythingAllowed,
      kubernetes_users: ['one', 'two'],
      kubernetes_groups: ['editors', 'nobody'],
    });
    expect((await kubectl(['get', 'namespaces'])).err).toContain('select a user');
    expect((await kubectl(['get', 'namespaces', '--as', 'one', '-o', 'name'])).out).toContain(
      'namespace/dev',
    );
    expect((await kubectl(['get', 'namespaces', '--as', 'one', '--as-group', 'nobody'])).err).toContain(
      'User "one" cannot list',
    );
    expect((await kubectl(['get', 'namespaces', '--as', 'three'])).err).toContain('is not allowed in roles');
    expect(
      (await kubectl(['get', 'namespaces', '--as', 'one', '--as-group', 'system:masters'])).err,
    ).toContain('is not allowed in roles');
    expect((await kubectl(['get', 'namespaces', '--as', 'one', '--as-uid', '7'])).err).toContain(
      'unsupported impersonation header',
    );
  });

  test('refuses strangers and unknown clusters with a Status that kubectl prints', async () => {
    const stranger = await userWith('eve', { kubernetes_labels: {} });
    expect((await stranger(['get', 'namespaces'])).err).toMatch(/denied|does not allow/);
    const kubectl = await userWith('lost', everythingAllowed);
    expect(
      (await kubectl(['get', 'namespaces', '-s', `https://127.0.0.1:${rig.port}${clusterPath('nowhere')}`]))
        .err,
    ).toContain('Kubernetes cluster "nowhere" not found');
  });

  test('is audited, one record for each request and none for discovery', async () => {
    const kubectl = await userWith('audited', { kubernetes_resources: [rule('*', 'dev')] });
    rig.bus.facts.length = 0;
    await kubectl(['-n', 'dev', 'get', 'configmap', 'test']);
    await kubectl(['-n', 'prod', 'get', 'configmap', 'test']);
    const records = () =>
      rig.bus.facts
        .filter(({ type, data }) => type === 'KubeRequestAudited' && data['user'] === 'audited')
        .map(({ data }) => data);
    await until(() => records().length >= 2, 'two records');
    expect(records()).toMatchObject([
      {
        decision: 'allow',
        verb: 'get',
        resource: 'configmaps',
        namespace: 'dev',
        name: 'test',
        status: 200,
        kubeUser: 'audited',
        cluster: 'real',
        reason: '',
      },
      {
        decision: 'deny',
        verb: 'get',
        resource: 'configmaps',
        namespace: 'prod',
        name: 'test',
        status: 403,
        reason: 'access.resource_not_allowed',
      },
    ]);
  });

  test('has each request in its own audit log under the id of our record', async () => {
    const kubectl = await userWith('joined', { kubernetes_resources: [rule('*', 'dev')] });
    rig.bus.facts.length = 0;
    await kubectl(['-n', 'dev', 'get', 'configmap', 'test']);
    await kubectl(['-n', 'dev', 'create', 'configmap', `joined-${shape}`, '--from-literal=a=b']);
    await kubectl(['-n', 'dev', 'delete', 'configmap', `joined-${shape}`]);
    const records = () =>
      rig.bus.facts
        .filter(({ type, data }) => type === 'KubeRequestAudited' && data['user'] === 'joined')
        .map(({ data }) => data);
    await until(() => records().length >= 3, 'three records');
    const logged = () =>
      readFileSync(server.auditFile, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as LoggedRequest);
    for (const { requestId, auditId, verb, name, status } of records()) {
      expect(auditId).toBe(requestId);
      const ours = () => logged().filter((entry) => entry.auditID === auditId);
      await until(() => ours().length === 1, 'the API server has logged it');
      expect(ours()).toMatchObject([
        { verb, impersonatedUser: { username: 'joined' }, responseStatus: { code: status } },
      ]);
      if (name !== '') expect(ours()[0]!.objectRef.name).toBe(name);
    }
  });
});

interface LoggedRequest {
  readonly auditID: string;
  readonly objectRef: { readonly name?: string };
}
