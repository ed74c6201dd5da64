import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type FakeControlPlane,
  fakeControlPlane,
  runToolHere,
  temporaryFolder,
  type ToolOptions,
} from '@postern/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { tctl } from '../src/commands/index.ts';

let plane: FakeControlPlane;
let identity: string;

beforeAll(async () => {
  plane = await fakeControlPlane();
  identity = await plane.identity('admin');
});

afterAll(() => plane[Symbol.asyncDispose]());

beforeEach(() => {
  plane.resources.clear();
  plane.requests.length = 0;
});

function run(args: readonly string[], options: ToolOptions = {}) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'id.pem'), identity, { mode: 0o600 });
  return runToolHere(tctl, ['-i', join(folder, 'id.pem'), ...args], { cwd: folder, ...options });
}

const cluster = 'kind: kube_cluster\nversion: v3\nmetadata:\n  name: mycluster\nspec:\n  kubeconfig: YQ==\n';
const role =
  'kind: role\nversion: v7\nmetadata:\n  name: dev\nspec:\n  allow:\n    kubernetes_groups: [viewers]\n  deny: {}\n';

describe('tctl lock', () => {
  const made = () => [...plane.resources.values()].find(({ kind }) => kind === 'lock');

  test.each<[string[], Record<string, string>]>([
    [['--user', 'alice'], { user: 'alice' }],
    [['--role=dev'], { role: 'dev' }],
    [['--session', 's1'], { session: 's1' }],
    [['--agent', 'a1'], { server_id: 'a1' }],
    [['--server-id', 'a1'], { server_id: 'a1' }],
    [['--kube-cluster', 'prod'], { kube_cluster: 'prod' }],
    [['--token', 'abc'], { join_token: 'abc' }],
    [['--join-token', 'abc'], { join_token: 'abc' }],
  ])('with %j locks that', async (args, target) => {
    const { code, out } = await run(['lock', ...args, '--message', 'on leave']);
    expect({ code, out }).toEqual({ code: 0, out: `Created a lock with name "${made()?.metadata.name}".\n` });
    expect(made()?.spec).toEqual({ target, message: 'on leave' });
  });

  test('ends after a time, or at one', async () => {
    await run(['lock', '--user', 'alice', '--expires', '2040-01-01T00:00:00Z']);
    expect(made()?.spec['expires']).toBe('2040-01-01T00:00:00.000Z');
    plane.resources.clear();
    await run(['lock', '--user', 'alice', '--ttl', '1h']);
    const left = Date.parse(made()?.spec['expires'] as string) - Date.now();
    expect(left).toBeGreaterThan(3_500_000);
    expect(left).toBeLessThanOrEqual(3_600_000);
  });

  test.each([
    [[]],
    [['--user', 'alice', '--role', 'dev']],
    [['--user', 'alice', '--ttl', '1h', '--expires', '2040-01-01T00:00:00Z']],
    [['--user', 'alice', '--ttl', '-1h']],
    [['--user', 'alice', '--expires', 'tomorrow']],
  ])('is not made of %j', async (args) => {
    expect((await run(['lock', ...args])).code).toBe(2);
    expect(made()).toBeUndefined();
  });

  test('on a token says of it what may be shown', async () => {
    const spec = { roles: ['Kube'], join_method: 'iam' };
    plane.resources.set('token/iam', { kind: 'token', version: 'v2', metadata: { name: 'iam' }, spec });
    expect((await run(['lock', '--token=iam'])).err).toBe('');
    expect(made()?.metadata).toMatchObject({ description: 'join token iam' });
    plane.resources.clear();
    expect((await run(['lock', '--token=iam'])).err).toContain('No such token is there now');
    expect(made()?.metadata).not.toHaveProperty('description');
  });

  test('is listed and removed', async () => {
    await run(['lock', '--user', 'alice', '--message', 'on leave']);
    const id = made()!.metadata.name;
    const { out } = await run(['get', 'locks', '--format', 'text']);
    expect(out).toMatch(/ID +Target +Message +Expires/);
    expect(out).toMatch(new RegExp(`${id} +user=alice +on leave +never`));
    expect((await run(['rm', `lock/${id}`])).code).toBe(0);
    expect(made()).toBeUndefined();
  });
});

describe('tctl create', () => {
  test('creates what a file or standard input says', async () => {
    const path = join(temporaryFolder(), 'kube_cluster.yaml');
    writeFileSync(path, cluster);
    expect(await run(['create', path])).toEqual({
      code: 0,
      out: 'Kubernetes cluster "mycluster" has been created\n',
      err: '',
    });
    expect(await run(['create'], { input: role })).toEqual({
      code: 0,
      out: 'role "dev" has been created\n',
      err: '',
    });
  });

  test('overwrites with -f only', async () => {
    await run(['create'], { input: cluster });
    expect(await run(['create'], { input: cluster })).toEqual({
      code: 6,
      out: '',
      err: 'ERROR: Kubernetes cluster "mycluster" already exists, use -f or --force flag to overwrite\n',
    });
    expect((await run(['create', '-f'], { input: cluster })).out).toBe(
      'Kubernetes cluster "mycluster" has been updated\n',
    );
    expect((await run(['create', '--force'], { input: role })).out).toBe('role "dev" has been created\n');
  });

  test('takes documents in order and stops at the first that is refused', async () => {
    await run(['create'], { input: cluster });
    const outcome = await run(['create'], {
      input: `${role}---\n${cluster}---\n${role.replace('dev', 'ops')}`,
    });
    expect(outcome).toMatchObject({ code: 6, out: 'role "dev" has been created\n' });
    expect([...plane.resources.keys()]).toEqual(['kube_cluster/mycluster', 'role/dev']);
  });

  test('accepts the plural and JSON', async () => {
    const json = JSON.stringify({ kind: 'roles', version: 'v7', metadata: { name: 'x' }, spec: {} });
    expect((await run(['create'], { input: json })).out).toBe('role "x" has been created\n');
    expect(plane.resources.get('role/x')).toMatchObject({ kind: 'role' });
  });

  test.each([
    ['', /^ERROR: no resources found, empty input\?\n$/],
    [
      'kind: nope\nmetadata: {name: x}\n',
      /^ERROR: creating resources of type "nope" is not supported; supported: .*\n$/,
    ],
    ['kind: role\n', /^ERROR: a role has no metadata.name\n$/],
    [
      'kind: role\nmetadata: {name: x}\n---\nkind: [\n',
      /^ERROR: invalid YAML at line \d+, column \d+: .*\n$/,
    ],
    ['a: &a [x]\nb: *a\n', /^ERROR: invalid YAML .*\n$/],
    ['hello', /^ERROR: creating resources of type "" is not supported.*\n$/],
    [
      `kind: role\nmetadata:\n  name: "${'x'.repeat(1024 * 1024)}"\n`,
      /^ERROR: the input is larger than 1024 KiB.*\n$/,
    ],
  ])('refuses bad input in one line and sends nothing (case %#)', async (input, message) => {
    const outcome = await run(['create'], { input });
    expect(outcome).toMatchObject({ code: 2, out: '' });
    expect(outcome.err).toMatch(message);
    expect(plane.requests).toEqual([]);
  });

  test('tells that a file is missing', async () => {
    expect(await run(['create', '/no/such.yaml'])).toEqual({
      code: 2,
      out: '',
      err: 'ERROR: cannot read /no/such.yaml: no such file\n',
    });
  });
});

describe('tctl get', () => {
  beforeEach(async () => {
    await run(['create'], { input: `${cluster}---\n${role}` });
  });

  test('prints YAML', async () => {
    expect((await run(['get', 'kube_clusters/mycluster'])).out).toBe(
      'kind: kube_cluster\nmetadata:\n  name: mycluster\n  revision: "1"\nspec:\n  kubeconfig: YQ==\nversion: v3\n',
    );
  });

  test('prints a JSON list also for one resource', async () => {
    const { out } = await run(['get', 'roles/dev', '--format', 'json']);
    expect(JSON.parse(out)).toMatchObject([{ spec: { allow: { kubernetes_groups: ['viewers'] } } }]);
  });

  test('prints a table', async () => {
    expect((await run(['get', 'kube_cluster', '--format=text'])).out).toBe(
      'Cluster   Labels\n--------- ------\nmycluster\n',
    );
  });

  test('prints several kinds as YAML only', async () => {
    expect((await run(['get', 'role,kube_cluster'])).out.split('---\n')).toHaveLength(2);
    expect(await run(['get', 'role,kube_cluster', '--format=json'])).toEqual({
      code: 2,
      out: '',
      err: 'ERROR: mixed resource types only support YAML formatting\n',
    });
  });

  test('prints everything there is, secrets included', async () => {
    expect((await run(['get', 'all'])).out.split('---\n')).toHaveLength(2);
    expect(plane.requests.filter(({ path }) => path.endsWith('?withSecrets=true')).length).toBeGreaterThan(3);
  });

  test('asks for secrets when told to', async () => {
    await run(['get', 'roles/dev', '--with-secrets']);
    expect(plane.requests.at(-1)?.path).toBe('/v1/resources/role/dev?withSecrets=true');
  });

  test.each([
    [['get', 'kube_clusters/nope'], 5, 'ERROR: Kubernetes cluster "nope" not found\n'],
    [
      ['get', 'role/'],
      2,
      'ERROR: invalid resource "role/": write it as type/name, for example kube_cluster/prod\n',
    ],
    [
      ['get', 'roles', '--format=xml'],
      2,
      'ERROR: unknown format "xml", must be one of ["yaml", "json", "text"]\n',
    ],
  ])('%j fails with code %i', async (args, code, err) => {
    expect(await run(args)).toEqual({ code, out: '', err });
  });

  test('names the known types for an unknown one', async () => {
    expect((await run(['get', 'frobs'])).err).toMatch(
      /^ERROR: unknown resource type "frobs"; known types: .*roles.*\n$/,
    );
  });
});

describe('tctl rm', () => {
  test('removes one resource', async () => {
    await run(['create'], { input: cluster });
    expect(await run(['rm', 'kube_clusters/mycluster'])).toEqual({
      code: 0,
      out: 'Kubernetes cluster "mycluster" has been deleted\n',
      err: '',
    });
    expect(await run(['del', 'kube_clusters/mycluster'])).toMatchObject({ code: 5, out: '' });
  });

  test('does not remove a whole kind', async () => {
    expect(await run(['rm', 'kube_clusters'])).toMatchObject({ code: 2 });
  });
});

describe('tctl update', () => {
  test('replaces labels under the revision that was read', async () => {
    await run(['create'], { input: cluster });
    expect((await run(['update', 'kube_cluster/mycluster', '--set-labels=env=prod'])).out).toBe(
      'Kubernetes cluster "mycluster" has been updated\n',
    );
    expect(plane.resources.get('kube_cluster/mycluster')).toMatchObject({
      metadata: { labels: { env: 'prod' } },
    });
    expect(plane.requests.at(-1)?.ifMatch).toBe('"1"');
  });

  test('needs something to set', async () => {
    expect(await run(['update', 'role/dev'])).toEqual({
      code: 2,
      out: '',
      err: 'ERROR: nothing to update: pass --set-labels or --set-ttl\n',
    });
  });
});

describe('tctl edit', () => {
  /** An editor that runs this shell line on the file. */
  function editor(line: string): Record<string, string> {
    const path = join(temporaryFolder(), 'editor');
    writeFileSync(path, `#!/bin/sh\n${line}\n`);
    chmodSync(path, 0o755);
    return { TELEPORT_EDITOR: path };
  }

  beforeEach(async () => {
    await run(['create'], { input: role });
  });

  test('writes what the editor left, under the revision it showed', async () => {
    const outcome = await run(['edit', 'role/dev'], { env: editor('sed -i s/viewers/editors/ "$1"') });
    expect(outcome).toEqual({ code: 0, out: 'role "dev" has been updated\n', err: '' });
    expect(plane.resources.get('role/dev')).toMatchObject({
      spec: { allow: { kubernetes_groups: ['editors'] } },
    });
  });

  test('writes nothing when nothing changed', async () => {
    expect(await run(['edit', 'role/dev'], { env: editor(':') })).toEqual({
      code: 0,
      out: 'edit canceled, no changes made\n',
      err: '',
    });
    expect(plane.requests.some(({ method }) => method === 'PUT')).toBe(false);
  });

  test('shows the editor a file that only its user may read', async () => {
    const { out } = await run(['edit', 'role/dev'], {
      env: editor('test "$(stat -c %a "$1")" = 600 && sed -i s/viewers/private/ "$1"'),
    });
    expect(out).toBe('role "dev" has been updated\n');
  });

  test.each([
    ['another name', 'sed -i s/dev/ops/ "$1"', /kind and metadata.name cannot be changed/, 2],
    ['another kind', 'sed -i "s/kind: role/kind: user/" "$1"', /kind and metadata.name cannot be changed/, 2],
    ['an editor that fails', 'exit 3', /ended with code 3: nothing was changed/, 7],
    ['broken YAML', 'echo "[" >> "$1"', /invalid YAML/, 2],
  ])('refuses %s', async (_, line, message, code) => {
    const outcome = await run(['edit', 'role/dev'], { env: editor(line) });
    expect([outcome.code, plane.requests.some(({ method }) => method === 'PUT')]).toEqual([code, false]);
    expect(outcome.err).toMatch(message);
  });
});
