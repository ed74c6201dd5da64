import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256Hex } from '@postern/core';
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
  identity = await plane.identity('admin', { ttlMs: 30 * 86_400_000 });
});

afterAll(() => plane[Symbol.asyncDispose]());

beforeEach(() => {
  plane.resources.clear();
  plane.requests.length = 0;
  for (const name of ['access', 'editor']) store('role', name, {});
});

function store(
  kind: string,
  name: string,
  spec: Record<string, unknown>,
  metadata: Record<string, unknown> = {},
) {
  plane.resources.set(`${kind}/${name}`, {
    kind,
    version: 'v2',
    metadata: { name, revision: '1', ...metadata },
    spec,
  });
}

function run(args: readonly string[], options: ToolOptions = {}) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'id.pem'), identity, { mode: 0o600 });
  return runToolHere(tctl, ['-i', join(folder, 'id.pem'), ...args], { cwd: folder, ...options });
}

const tokens = () => [...plane.resources.values()].filter(({ kind }) => kind === 'token');

describe('tctl tokens add', () => {
  test('prints only the token with --format=text', async () => {
    const { code, out, err } = await run(['tokens', 'add', '--type=kube', '--ttl=1h', '--format=text']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^[0-9a-f]{32}\n$/);
    expect(tokens()[0]).toMatchObject({
      metadata: { name: out.trim() },
      spec: { roles: ['Kube', 'App', 'Discovery'], join_method: 'token' },
    });
  });

  test('widens kube only where it stands alone', async () => {
    await run(['tokens', 'add', '--type=KUBE,discovery', '--value=abc']);
    expect(plane.resources.get('token/abc')?.spec['roles']).toEqual(['Kube', 'Discovery']);
  });

  test('gives the token its lifetime', async () => {
    const now = new Date();
    await run(['tokens', 'add', '--type=kube', '--value=abc', '--labels=env=prod'], { clock: () => now });
    expect(plane.resources.get('token/abc')?.metadata).toMatchObject({
      expires: new Date(now.getTime() + 30 * 60_000).toISOString(),
      labels: { env: 'prod' },
    });
  });

  test('prints one JSON object', async () => {
    const { out } = await run(['tokens', 'add', '--type=node', '--value=abc', '--format=json']);
    expect(JSON.parse(out)).toMatchObject({
      token: 'abc',
      roles: ['Node'],
      expires: expect.any(String) as string,
    });
  });

  test('explains what to do with the token otherwise', async () => {
    const { out } = await run(['tokens', 'add', '--type=kube', '--value=abc']);
    expect(out).toContain('It can be used for 30m0s by services with the roles Kube, App, Discovery.');
    expect(out).toContain(
      `> postern configure --roles=kube --proxy=${plane.proxy} --token=abc --ca-pin=sha256:abab`,
    );
  });

  test.each([
    [
      ['--type=kube', '--value=taken'],
      6,
      'ERROR: failed to create token ("taken" already exists), please use another name\n',
    ],
    [[], 2, 'ERROR: required flag --type not provided: say what may join, for example --type=kube\n'],
    [['--type=kube', '--ttl=0s'], 2, 'ERROR: --ttl must be longer than nothing\n'],
    [['--type=kube', '--ttl=soon'], 2, 'ERROR: invalid duration "soon": write it like 90s, 30m or 1h30m\n'],
  ])('%j fails with code %i', async (args, code, err) => {
    store('token', 'taken', { roles: ['Kube'] });
    expect(await run(['tokens', 'add', ...args])).toEqual({ code, out: '', err });
  });

  test('names a role that does not exist', async () => {
    expect((await run(['tokens', 'add', '--type=kube,frob'])).err).toMatch(
      /^ERROR: invalid role "frob"; known: .*kube.*\n$/,
    );
  });
});

describe('tctl tokens ls', () => {
  const now = new Date('2026-03-04T05:06:07Z');
  const clock = () => now;

  beforeEach(() => {
    store(
      'token',
      '************0000',
      { roles: ['Kube', 'App'] },
      { expires: '2026-03-04T05:36:05.000Z', labels: { env: 'prod' } },
    );
    store('token', 'iam-token', { roles: ['Kube'] });
    store('token', '************1111', { roles: ['Node'] }, { expires: '2026-03-04T05:16:07.000Z' });
  });

  test('prints a table by expiry', async () => {
    expect((await run(['tokens', 'ls'], { clock })).out).toBe(
      [
        'Token            Type     Labels   Expiry Time (UTC)',
        '---------------- -------- -------- ----------------------------',
        '************1111 Node              04 Mar 26 05:16 UTC (10m0s)',
        '************0000 Kube,App env=prod 04 Mar 26 05:36 UTC (29m58s)',
        'iam-token        Kube              never',
        '',
      ].join('\n'),
    );
  });

  test('prints names with --format=text and filters by labels', async () => {
    expect((await run(['tokens', 'ls', '--format=text', '--labels=env=prod'], { clock })).out).toBe(
      '************0000\n',
    );
  });

  test('shows static tokens by their hashes, as static', async () => {
    plane.staticTokens = [{ id: 'ab'.repeat(32), roles: ['Node', 'Kube'] }];
    const { out } = await run(['tokens', 'ls']);
    const { out: json } = await run(['tokens', 'ls', '--format=json']);
    plane.staticTokens = [];
    expect(out).toMatch(new RegExp(`^sha256:${'ab'.repeat(32)} +Node,Kube +never \\(static\\)$`, 'm'));
    expect((JSON.parse(json) as object[]).at(-1)).toMatchObject({ sub_kind: 'static' });
  });

  test('says that there are none', async () => {
    plane.resources.clear();
    expect((await run(['tokens', 'ls', '--format=text'])).out).toBe('No active tokens found.\n');
    expect((await run(['tokens', 'ls'])).out).toBe(
      'Token Type Labels Expiry Time (UTC)\n----- ---- ------ -----------------\n',
    );
  });
});

describe('tctl tokens rm', () => {
  test('of a static token says where it is taken out', async () => {
    const value = 'canary-static-token-0123456789';
    plane.staticTokens = [{ id: sha256Hex(value), roles: ['Kube'] }];
    for (const name of [value, `sha256:${sha256Hex(value)}`]) {
      const { code, err } = await run(['tokens', 'rm', name]);
      expect([code, err]).toEqual([
        7,
        expect.stringContaining('is static: take it out of auth_service.tokens'),
      ]);
      expect(err).not.toContain(value);
    }
    plane.staticTokens = [];
  });

  test('removes a token', async () => {
    store('token', 'abc', { roles: ['Kube'] });
    expect(await run(['tokens', 'rm', 'abc'])).toEqual({
      code: 0,
      out: 'Token abc has been deleted\n',
      err: '',
    });
    expect(await run(['tokens', 'del', 'abc'])).toEqual({
      code: 5,
      out: '',
      err: 'ERROR: token abc not found\n',
    });
  });

  test('never puts a token into a URL', async () => {
    await run(['tokens', 'add', '--type=kube', '--value=sesame', '--format=text']);
    const file = 'kind: token\nversion: v2\nmetadata: {name: sesame}\nspec: {roles: [Kube]}\n';
    expect((await run(['create', '-f'], { input: file })).out).toBe(
      'provision_token "sesame" has been updated\n',
    );
    await run(['get', 'token/sesame']);
    await run(['tokens', 'rm', 'sesame']);
    expect(plane.requests.map(({ method }) => method)).toEqual(['POST', 'POST', 'PUT', 'GET', 'DELETE']);
    expect(plane.requests.filter(({ path }) => path.includes('sesame'))).toEqual([]);
  });

  test('removes the token that a masked name stands for', async () => {
    store('token', '************0000', { roles: ['Kube'] });
    expect((await run(['tokens', 'rm', '************0000'])).out).toBe(
      'Token ************0000 has been deleted\n',
    );
  });

  test('needs to be told which', async () => {
    expect(await run(['tokens', 'rm'])).toEqual({
      code: 2,
      out: '',
      err: 'ERROR: Need an argument: token\n',
    });
  });
});

describe('tctl users', () => {
  test('add creates a user with roles and traits and says how to hand out an identity', async () => {
    const { code, out } = await run([
      'users',
      'add',
      'ann',
      '--roles=access,editor,access',
      '--kubernetes-groups=viewers,admins',
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/^User "ann" has been created\.\n/);
    expect(out).toContain('tctl auth sign --user=ann --out=ann.pem');
    expect(plane.resources.get('user/ann')?.spec).toEqual({
      roles: ['access', 'editor'],
      traits: { kubernetes_groups: ['viewers', 'admins'] },
    });
  });

  test('add looks every role up first', async () => {
    expect(await run(['users', 'add', 'ann', '--roles=access,nope'])).toEqual({
      code: 5,
      out: '',
      err: 'ERROR: role nope is not found\n',
    });
    expect(plane.resources.has('user/ann')).toBe(false);
  });

  test('add of an existing user points at update', async () => {
    store('user', 'ann', { roles: ['access'] });
    const { code, err } = await run(['users', 'add', 'ann', '--roles=editor']);
    expect(code).toBe(6);
    expect(err).toBe(
      'NOTE: to change the roles of user ann use: tctl users update ann --set-roles editor\nERROR: user "ann" already exists\n',
    );
  });

  test('update replaces and tells what is new', async () => {
    store('user', 'ann', { roles: ['access'], traits: { logins: ['root'], kubernetes_groups: ['old'] } });
    const { out } = await run([
      'users',
      'update',
      'ann',
      '--set-roles',
      'access,editor,access',
      '--set-kubernetes-groups=new',
    ]);
    expect(out).toBe(
      'User ann has been updated:\n\tNew roles: access,editor\n\tNew Kubernetes groups: new\n',
    );
    expect(plane.resources.get('user/ann')?.spec).toEqual({
      roles: ['access', 'editor'],
      traits: { logins: ['root'], kubernetes_groups: ['new'] },
    });
  });

  test('update needs something to set', async () => {
    expect(await run(['users', 'update', 'ann'])).toEqual({
      code: 2,
      out: '',
      err: 'ERROR: Nothing to update. Please provide at least one --set flag.\n',
    });
  });

  test('ls prints users with their roles, or that there are none', async () => {
    expect((await run(['users', 'ls'])).out).toBe('No users found\n');
    store('user', 'ann', { roles: ['access', 'editor'] });
    expect((await run(['users', 'ls'])).out).toBe('User Roles\n---- -------------\nann  access,editor\n');
  });

  test('rm removes several', async () => {
    store('user', 'ann', { roles: [] });
    store('user', 'bob', { roles: [] });
    expect((await run(['users', 'rm', 'ann,bob'])).out).toBe(
      'User "ann" has been deleted\nUser "bob" has been deleted\n',
    );
  });
});
