import { describe, expect, test } from 'vitest';
import { kubeClusterKind } from '../kinds/kube-cluster.ts';
import {
  discoveredCluster,
  type FoundCluster,
  labelsOfCluster,
  nameOfCluster,
} from './discovered-cluster.ts';

const place = { account: '111111111111', region: 'us-west-2' };
const by = { group: 'prod', matcherKeys: ['b', 'a', 'b'] };

function found(name: string, tags: Record<string, string> | [string, string][] = {}): FoundCluster {
  return { ...place, name, tags: new Map(Array.isArray(tags) ? tags : Object.entries(tags)) };
}

describe('a discovered cluster', () => {
  test('is a kube_cluster with its tags, where it is and who found it', () => {
    const resource = discoveredCluster(found('prod', { env: 'prod' }), by);
    expect(resource).toEqual({
      kind: 'kube_cluster',
      version: 'v3',
      metadata: {
        name: 'prod-eks-us-west-2-111111111111',
        description: 'AWS EKS cluster "prod" in us-west-2',
        labels: {
          env: 'prod',
          'teleport.dev/cloud': 'AWS',
          'teleport.dev/origin': 'cloud',
          region: 'us-west-2',
          'account-id': '111111111111',
          'teleport.internal/discovery-group-name': 'prod',
          'teleport.internal/discovered-name': 'prod',
          'teleport.internal/discovery-matchers': 'a.b',
        },
      },
      spec: { aws: { region: 'us-west-2', account_id: '111111111111', name: 'prod' } },
    });
    expect(kubeClusterKind.normalize(resource, { now: new Date() })).toEqual(resource);
  });

  test.each([
    ['prod', 'prod-eks-us-west-2-111111111111'],
    ['eks-prod-us-west-2', 'eks-prod-us-west-2-111111111111'],
    ['EKS-US-WEST-2-111111111111', 'EKS-US-WEST-2-111111111111'],
    ['a--b', 'a-b-eks-us-west-2-111111111111'],
  ])('%s is called %s', (name, expected) => {
    expect(nameOfCluster(found(name))).toBe(expected);
  });

  test('of the same name in another account or region is another one, always called the same (D-07)', () => {
    const places = [place, { ...place, region: 'eu-west-1' }, { ...place, account: '222222222222' }];
    const names = () => places.map((each) => nameOfCluster({ ...each, name: 'prod', tags: new Map() }));
    expect(new Set(names()).size).toBe(3);
    expect(names()).toEqual(names());
  });

  test('is called what its tag says, and the tag is no label', () => {
    for (const tag of ['TeleportKubernetesName', 'teleport.dev/kubernetes-name']) {
      const { metadata } = discoveredCluster(found('prod', { [tag]: 'mine' }), by);
      expect(metadata.name).toBe('mine');
      expect(metadata.labels).not.toHaveProperty([tag]);
    }
    expect(nameOfCluster(found('prod', { TeleportKubernetesName: '../x' }))).toContain('prod-eks');
  });

  test('has no label of the system from a tag (D-03)', () => {
    const tags = {
      'teleport.dev/origin': 'dynamic',
      'teleport.dev/cloud': 'GCP',
      'teleport.internal/discovery-group-name': 'other',
      'teleport.internal/x': 'y',
      region: 'moon-1',
      'account-id': '999999999999',
    };
    const plain = discoveredCluster(found('prod'), by);
    expect(discoveredCluster(found('prod', tags), by)).toEqual(plain);
  });

  test('has tags as they are, however odd, or not at all (D-04)', () => {
    const odd: [string, string][] = [
      ['constructor', 'x'],
      ['sql', `"; DROP TABLE resource; --`],
      ['long', 'v'.repeat(256)],
    ];
    const impossible: [string, string][] = [
      ['__proto__', 'x'],
      ['esc', '\u001b[31mred'],
      ['lines', 'a\nb'],
      ['half', '\ud800'],
      ['bad key', 'x'],
      ['ключ', 'x'],
    ];
    const labels = labelsOfCluster(found('prod', [...odd, ...impossible]));
    expect(labels).toMatchObject(Object.fromEntries(odd));
    expect(Object.keys(labels)).toHaveLength(odd.length + 3);
    const resource = discoveredCluster(found('prod', [...odd, ...impossible]), by);
    expect(kubeClusterKind.normalize(resource, { now: new Date() })).toEqual(resource);
  });

  test('has no more labels than a resource may have', () => {
    const tags = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`k${index}`, 'v']));
    const resource = discoveredCluster(found('prod', tags), by);
    expect(kubeClusterKind.normalize(resource, { now: new Date() })).toEqual(resource);
  });
});
