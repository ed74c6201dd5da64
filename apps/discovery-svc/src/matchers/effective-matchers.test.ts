import type { PublicResource } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { effectiveMatchers } from './effective-matchers.ts';

const now = new Date('2030-01-01T00:00:00.000Z');

function config(name: string, group: string, ...aws: Record<string, unknown>[]): PublicResource {
  return {
    kind: 'discovery_config',
    version: 'v1',
    metadata: { name },
    spec: { discovery_group: group, aws },
  };
}

const eks = { types: ['eks'], regions: ['eu-west-1'] };
const own = { discoveryGroup: 'g', aws: [], kubernetes: [] };

describe('what a process looks for', () => {
  test('is what its own configuration says, then what the resources of its group say', () => {
    const aws = [
      {
        ...eks,
        tags: {},
        assumeRoleArn: undefined,
        externalId: undefined,
        setupAccessForArn: undefined,
        kubeAppDiscovery: true,
        integration: undefined,
      },
    ];
    const { matchers, refused } = effectiveMatchers(
      { ...own, aws },
      [config('b', 'g', eks), config('other', 'h', eks), config('a', 'g', eks, eks)],
      now,
    );
    expect(matchers.map(({ source }) => source)).toEqual([
      'discovery_service',
      'discovery_config/a',
      'discovery_config/a',
      'discovery_config/b',
    ]);
    expect(matchers[1]).toMatchObject({
      provider: 'aws',
      matcher: { types: ['eks'], regions: ['eu-west-1'], tags: { '*': ['*'] } },
    });
    expect(refused).toEqual([]);
  });

  test('leaves out a resource that is wrong, and tells why', () => {
    const { matchers, refused } = effectiveMatchers(
      own,
      [config('bad', 'g', eks, { types: ['eks'] }), config('good', 'g', eks)],
      now,
    );
    expect(matchers.map(({ source }) => source)).toEqual(['discovery_config/good']);
    expect(refused).toEqual([
      { source: 'discovery_config/bad', reason: 'discovery service requires at least one region' },
    ]);
  });

  test('is its own configuration alone where it has no group', () => {
    expect(effectiveMatchers({ ...own, discoveryGroup: '' }, [config('a', 'g', eks)], now).matchers).toEqual(
      [],
    );
  });

  test('may be applications in Kubernetes', () => {
    const resource = {
      ...config('k', 'g'),
      spec: { discovery_group: 'g', kube: [{ types: ['app'], namespaces: ['web'] }] },
    };
    expect(effectiveMatchers(own, [resource], now).matchers).toEqual([
      {
        source: 'discovery_config/k',
        provider: 'kubernetes',
        matcher: { types: ['app'], namespaces: ['web'], labels: { '*': ['*'] } },
      },
    ]);
  });
});
