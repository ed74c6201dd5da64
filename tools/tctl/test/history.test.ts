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
import { parseAllDocuments } from 'yaml';
import { tctl } from '../src/commands/index.ts';

let plane: FakeControlPlane;
let identity: string;

beforeAll(async () => {
  plane = await fakeControlPlane();
  identity = await plane.identity('admin');
});

afterAll(() => plane[Symbol.asyncDispose]());

beforeEach(() => {
  plane.replies.clear();
  plane.requests.length = 0;
});

function run(args: readonly string[], options: ToolOptions = {}) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'id.pem'), identity, { mode: 0o600 });
  return runToolHere(tctl, ['-i', join(folder, 'id.pem'), ...args], { cwd: folder, ...options });
}

const revision = '0b1c2d3e-4f50-8a6b-9c7d-0123456789ab';
const change = {
  kind: 'role',
  name: 'dev',
  revision,
  version: 2,
  change: 'updated',
  at: '2026-11-21T10:00:00.000Z',
  actor: 'spiffe://example.test/user/bob',
  user: 'bob',
  correlation: 'c-1',
  fields: [{ path: ['spec', 'allow', 'kubernetes_groups'], before: ['a'], after: ['a', 'system:masters'] }],
};

const asked = () => plane.requests.map(({ method, path }) => `${method} ${path}`);

describe('tctl history', () => {
  test('tells the changes of a resource', async () => {
    plane.replies.set('/v1/history/resources/role/dev', {
      changes: [change, { ...change, version: 1 }],
      next: '',
    });
    const paragraph = [
      'role/dev updated by bob at 2026-11-21T10:00:00.000Z',
      `  revision ${revision}`,
      '  request  c-1',
      '  ~ spec.allow.kubernetes_groups',
      '      + system:masters',
    ].join('\n');
    expect(await run(['history', 'roles/dev'])).toEqual({
      code: 0,
      out: `${paragraph}\n\n${paragraph}\n`,
      err: '',
    });
    const json = await run(['history', 'role/dev', '--format=json']);
    expect(JSON.parse(json.out)).toEqual([change, { ...change, version: 1 }]);
    const yaml = await run(['history', 'role/dev', '--format=yaml']);
    expect(parseAllDocuments(yaml.out).map((document) => document.toJS() as unknown)).toHaveLength(2);
  });

  test('asks for a kind, for a user, for a time, and for what was just written', async () => {
    plane.replies.set('/v1/history/changes', { changes: [], next: '' });
    const nothing = { code: 0, out: 'No changes.\n', err: '' };
    expect(await run(['history', 'users'])).toEqual(nothing);
    expect(await run(['history', '--user=bob', '--since=2026-11-20'])).toEqual(nothing);
    expect(await run(['history', '--including', `roles/a@b@${revision}`])).toEqual(nothing);
    expect(asked()).toEqual([
      'GET /v1/history/changes?kind=user&limit=20',
      'GET /v1/history/changes?user=bob&since=2026-11-20T00%3A00%3A00.000Z&limit=20',
      `GET /v1/history/changes?limit=20&including=${encodeURIComponent(`role/a@b@${revision}`)}`,
    ]);
  });

  test('says that there are older changes', async () => {
    plane.replies.set('/v1/history/resources/role/dev', { changes: [change], next: '2' });
    const { out, err } = await run(['history', 'role/dev', '--limit=1']);
    expect(out).toContain('role/dev updated');
    expect(err).toBe('There are older changes: --limit shows more than 1.\n');
  });

  test('does not name a token in a URL', async () => {
    const name = 'a-secret-token-name';
    plane.replies.set(`/v1/history/resources/token/${sha256Hex(name)}`, { changes: [], next: '' });
    plane.replies.set('/v1/history/changes', { changes: [], next: '' });
    expect((await run(['history', `token/${name}`])).code).toBe(0);
    expect((await run(['history', '--including', `token/${name}@${revision}`])).code).toBe(0);
    expect(asked().join('\n')).not.toContain(name);
  });

  test.each([
    [['history', 'role/a,role/b'], 'write one type or type/name'],
    [['history', 'pods'], 'unknown resource type "pods"'],
    [['history', '--since=soon'], 'invalid moment "soon"'],
    [['history', '--limit=0'], 'invalid limit "0"'],
    [['history', '--including=role/dev'], 'invalid change "role/dev": write it as type/name@revision'],
    [['history', '--format=xml'], 'unknown format "xml"'],
  ])('refuses %j before it asks anybody', async (args, message) => {
    const { code, err } = await run(args);
    expect(code).not.toBe(0);
    expect(err).toContain(message);
    expect(plane.requests).toEqual([]);
  });
});

describe('tctl get --at', () => {
  test('shows a resource as it was', async () => {
    const past = { kind: 'role', version: 'v7', metadata: { name: 'dev', revision }, spec: {} };
    plane.replies.set('/v1/history/resources/role/dev/at', past);
    expect(JSON.parse((await run(['get', 'role/dev', '--at=2026-11-20', '--format=json'])).out)).toEqual([
      past,
    ]);
    await run(['get', 'role/dev', `--at=${revision.toUpperCase()}`]);
    expect(asked()).toEqual([
      'GET /v1/history/resources/role/dev/at?time=2026-11-20T00%3A00%3A00.000Z',
      `GET /v1/history/resources/role/dev/at?revision=${revision}`,
    ]);
  });

  test.each([
    [['get', 'roles', '--at=1h'], '--at shows resources that are named'],
    [['get', 'role/dev', '--at=1h', '--with-secrets'], 'secrets of the past are not kept'],
    [['get', 'all', '--at=1h'], '--at shows resources that are named'],
    [['get', 'role/dev', '--at=tomorrow'], 'invalid moment "tomorrow"'],
  ])('refuses %j', async (args, message) => {
    const { code, err } = await run(args);
    expect(code).not.toBe(0);
    expect(err).toContain(message);
    expect(plane.requests).toEqual([]);
  });
});

describe('tctl restore', () => {
  const reply = {
    over: 'r-now',
    fields: change.fields,
    keptSecrets: ['spec.kubeconfig'],
    resource: { kind: 'kube_cluster', version: 'v3', metadata: { name: 'c' }, spec: {} },
    revision: 'r-new',
    isRestored: true,
  };
  const path = '/v1/history/resources/kube_cluster/c/restore';
  const shown =
    '~ spec.allow.kubernetes_groups\n    + system:masters\n' +
    '  spec.kubeconfig: ***** (stays as it is now: the older one was destroyed)\n';

  test('shows the difference, then restores', async () => {
    plane.replies.set(path, reply);
    expect((await run(['restore', 'kube_cluster/c', `--to=${revision}`])).out).toBe(
      `${shown}Kubernetes cluster "c" has been restored to ${revision}, its revision is r-new now\n`,
    );
    expect(asked()).toEqual([`POST ${path}`, `POST ${path}`]);
    expect(new Set(plane.requests.map(({ commandId }) => commandId)).size).toBe(2);
  });

  test('asks once and changes nothing in a dry run', async () => {
    plane.replies.set(path, reply);
    expect((await run(['restore', 'kube_cluster/c', `--to=${revision}`, '--dry-run'])).out).toBe(
      `${shown}Kubernetes cluster "c" would be restored to ${revision}: nothing was changed\n`,
    );
    expect(plane.requests).toHaveLength(1);
  });

  test('to what it is like already does nothing', async () => {
    plane.replies.set(path, { ...reply, fields: [] });
    expect((await run(['restore', 'kube_cluster/c', `--to=${revision}`])).out).toBe(
      'Kubernetes cluster "c" is like that already\n',
    );
    expect(plane.requests).toHaveLength(1);
  });

  test('to a time is to the revision of that time', async () => {
    plane.replies.set(path, reply);
    const past = { kind: 'kube_cluster', version: 'v3', metadata: { name: 'c', revision }, spec: {} };
    plane.replies.set('/v1/history/resources/kube_cluster/c/at', past);
    expect((await run(['restore', 'kube_cluster/c', '--to=2026-11-20'])).out).toContain(
      `restored to ${revision}`,
    );
  });

  test.each([
    [['restore', 'role/dev'], '--to'],
    [['restore', 'roles', `--to=${revision}`], 'write it as type/name'],
    [['restore', 'role/dev', '--to=v1'], 'invalid moment "v1"'],
  ])('refuses %j', async (args, message) => {
    const { code, err } = await run(args);
    expect(code).not.toBe(0);
    expect(err).toContain(message);
    expect(plane.requests).toEqual([]);
  });
});
