import { runToolHere } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { tctl } from '../src/commands/index.ts';

const roleArn = 'arn:aws:iam::222222222222:role/teleport-role';
const nodes = {
  rolearn: 'arn:aws:iam::222222222222:role/nodes',
  username: 'system:node',
  groups: ['system:nodes'],
};

function present(mapRoles: string, kind = 'ConfigMap'): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind,
    metadata: { name: 'aws-auth', namespace: 'kube-system', resourceVersion: '7', uid: 'u' },
    data: { mapRoles, mapUsers: '[]' },
  });
}

function run(args: readonly string[], input?: string) {
  const command = ['discovery', 'aws-auth', ...args];
  return runToolHere(tctl, command, input === undefined ? {} : { input });
}

interface ConfigMap {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly data: { readonly mapRoles: string; readonly mapUsers: string };
}

const last = (out: string) => parseAllDocuments(out).at(-1)!.toJS() as ConfigMap;

describe('tctl discovery aws-auth', () => {
  test('prints role and binding, and what is to be added to the map', async () => {
    const { out } = await run([`--role-arn=${roleArn}`]);
    const [role, binding] = parseAllDocuments(out).map((each) => each.toJS() as Record<string, unknown>);
    expect(role).toMatchObject({ kind: 'ClusterRole', metadata: { name: 'teleport' } });
    expect(binding).toMatchObject({
      kind: 'ClusterRoleBinding',
      subjects: [{ kind: 'Group', name: 'teleport' }],
    });
    expect(out).toContain(`#     rolearn: ${roleArn}\n`);
    expect(out).not.toContain('kind: ConfigMap');
  });

  test('adds the role to the map that is there, and leaves the rest of it', async () => {
    const { out } = await run([`--role-arn=${roleArn}`, '-f', '-'], present(JSON.stringify([nodes])));
    const { metadata, data } = last(out);
    expect(metadata).toEqual({ name: 'aws-auth', namespace: 'kube-system' });
    expect(parse(data.mapRoles)).toEqual([
      nodes,
      { groups: ['teleport'], rolearn: roleArn, username: 'teleport' },
    ]);
    expect(data.mapUsers).toBe('[]');
    const again = await run([`--role-arn=${roleArn}`, '--group=others', '-f', '-'], present(data.mapRoles));
    expect(parse(last(again.out).data.mapRoles)).toEqual([
      nodes,
      { groups: ['others'], rolearn: roleArn, username: 'teleport' },
    ]);
  });

  test('names the role without its path, as EKS looks for it', async () => {
    const { out } = await run(
      ['--role-arn=arn:aws:iam::222222222222:role/a/b/agents', '-f', '-'],
      present(''),
    );
    expect(last(out).data.mapRoles).toContain('rolearn: arn:aws:iam::222222222222:role/agents\n');
  });

  test.each([
    ['what is no ARN of a role', ['--role-arn=arn:aws:iam::1:user/x'], '', 'is not the ARN of an IAM role'],
    ['another kind', [`--role-arn=${roleArn}`, '-f', '-'], present('', 'Secret'), 'it is of another kind'],
    [
      'a map that is no list',
      [`--role-arn=${roleArn}`, '-f', '-'],
      present('a: b'),
      'its mapRoles is no list',
    ],
    ['what is no YAML', [`--role-arn=${roleArn}`, '-f', '-'], '{', 'it is no YAML'],
  ])('refuses %s', async (_, args, input, message) => {
    const { err, code } = await run(args, input);
    expect(err).toContain(message);
    expect(code).not.toBe(0);
  });
});
