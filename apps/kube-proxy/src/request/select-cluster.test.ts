import { describe, expect, test } from 'vitest';
import { selectCluster } from './select-cluster.ts';
import { parseTarget } from './target.ts';

const encode = (name: string) => Buffer.from(name, 'latin1').toString('base64url');
const select = (teleport: string, kube: string, rest = '/api/v1/pods?watch=1') =>
  selectCluster(parseTarget(`/v1/teleport/${teleport}/${kube}${rest}`));

describe('path routing', () => {
  test('names the cluster and keeps path and query', () => {
    const { teleportCluster, kubeCluster, target } = select(encode('postern'), encode('my-cluster'));
    expect({ teleportCluster, kubeCluster }).toEqual({
      teleportCluster: 'postern',
      kubeCluster: 'my-cluster',
    });
    expect(target).toEqual({ segments: ['api', 'v1', 'pods'], slash: false, query: 'watch=1' });
  });

  test('without a path is the root', () => {
    expect(select(encode('postern'), encode('c1'), '').target).toMatchObject({ segments: [], slash: true });
  });

  test.each([
    '',
    '!',
    encode('a/b'),
    encode('../x'),
    encode('c1\0'),
    encode('c 1'),
    encode('caf\u00e9'),
    `${encode('c1')}A`,
    encode('x'.repeat(254)),
    'YzE=',
  ])('does not take %j for a cluster', (kube) => {
    expect(() => select(encode('postern'), kube === '' ? 'x' : kube, '')).toThrow(
      /no Kubernetes cluster name|invalid_path/,
    );
  });

  test('tells which name is missing (P-17)', () => {
    expect(() => selectCluster(parseTarget('/v1/teleport'))).toThrow(
      'no Teleport cluster name found in path',
    );
    expect(() => selectCluster(parseTarget(`/v1/teleport/${encode('postern')}`))).toThrow(
      'no Kubernetes cluster name found in path',
    );
  });
});
