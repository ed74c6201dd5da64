import { describe, expect, test } from 'vitest';
import { InvalidResource } from './fields.ts';
import { kubeClusterKind } from './kube-cluster.ts';

const ctx = { now: new Date('2026-01-01T00:00:00Z') };
const kubeconfig = Buffer.from(
  JSON.stringify({
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443' } }],
    users: [{ name: 'u', user: { token: 'canary' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
  }),
).toString('base64');

function normalize(spec: unknown, metadata: Record<string, unknown> = {}) {
  return kubeClusterKind.normalize(
    { kind: 'kube_cluster', version: 'v3', metadata: { name: 'c1', ...metadata }, spec },
    ctx,
  );
}

describe('a kube_cluster', () => {
  test('gets the origin label dynamic', () => {
    expect(normalize({}).metadata.labels).toEqual({ 'teleport.dev/origin': 'dynamic' });
  });

  test('keeps the origin label it has', () => {
    const labels = { env: 'prod', 'teleport.dev/origin': 'cloud' };
    expect(normalize({}, { labels }).metadata.labels).toEqual(labels);
  });

  test('of the guide, with an id over any integer and empty cloud blocks, is accepted', () => {
    const resource = normalize({ aws: {}, azure: {}, kubeconfig }, { id: 1e19, labels: { env: 'test' } });
    expect(Object.keys(resource.spec)).toEqual(['kubeconfig']);
    expect(resource.metadata).not.toHaveProperty('id');
  });

  test('is stored with a minimal kubeconfig and passes again unchanged', () => {
    const once = normalize({ kubeconfig: `${kubeconfig.slice(0, 40)} \n${kubeconfig.slice(40)}` });
    expect(atob(once.spec.kubeconfig!)).toContain('current-context: default');
    expect(kubeClusterKind.normalize(once, ctx)).toEqual(once);
  });

  test('keeps dynamic labels and drops their last result', () => {
    const region = { period: '24h', command: ['python3', 'get_region.py'] };
    expect(normalize({ dynamic_labels: { region: { ...region, result: 'x' } } }).spec.dynamic_labels).toEqual(
      { region },
    );
  });

  test('keeps complete cloud blocks', () => {
    const aws = { region: 'us-gov-west-1', account_id: '123456789012', name: 'eks-1' };
    const azure = { resource_name: 'a', resource_group: 'g', tenant_id: 't', subscription_id: 's' };
    const gcp = { location: 'europe-west1-b', project_id: 'p-1', name: 'gke' };
    expect(normalize({ aws, azure, gcp }).spec).toEqual({ aws, azure, gcp });
  });
});

const aws = { region: 'eu-west-1', account_id: '123456789012', name: 'a' };
const label = (fields: unknown) => ({ dynamic_labels: { region: fields } });

describe('a refused kube_cluster', () => {
  const cases: Record<string, [spec: unknown, metadata: Record<string, unknown>, why: string]> = {
    'a name with a slash (K-10)': [{}, { name: 'a/b' }, 'invalid Kubernetes cluster name "a/b"'],
    'a name with a percent sign': [{}, { name: 'a%2fb' }, 'invalid Kubernetes cluster name'],
    'a name in Cyrillic (K-10)': [{}, { name: 'сluster' }, 'invalid Kubernetes cluster name'],
    'a name of 300 characters (K-10)': [{}, { name: 'a'.repeat(300) }, 'longer than 253'],
    'the name of a parent folder': [{}, { name: '..' }, 'metadata.name must not'],
    'a label key with a blank': [{}, { labels: { 'a b': 'c' } }, 'invalid label key: "a b"'],
    'a label value with a line break': [{}, { labels: { a: 'b\nc' } }, 'invalid value of label "a"'],
    'a label value that is a number': [{}, { labels: { a: 1 } }, 'metadata.labels.a must be a string'],
    'an unknown origin': [
      {},
      { labels: { 'teleport.dev/origin': 'me' } },
      'invalid teleport.dev/origin label',
    ],
    'an unknown field': [{ kubeConfig: 'x' }, {}, 'unknown field "spec.kubeConfig"'],
    'an unknown field in aws': [{ aws: { ...aws, roleArn: 'x' } }, {}, 'unknown field "spec.aws.roleArn"'],
    'a bad region': [{ aws: { ...aws, region: 'europe' } }, {}, 'invalid AWS Region'],
    'no AWS name': [{ aws: { ...aws, name: '' } }, {}, 'invalid AWS Name'],
    'a short account': [{ aws: { ...aws, account_id: '123' } }, {}, 'invalid AWS AccountID'],
    'half an azure block': [{ azure: { resource_name: 'a' } }, {}, 'invalid Azure ResourceGroup'],
    'half a gcp block': [{ gcp: { name: 'a', project_id: 'p' } }, {}, 'invalid GCP Location'],
    'a kubeconfig that is no text': [{ kubeconfig: 5 }, {}, 'spec.kubeconfig must be a string'],
    'a dynamic label with a bad key': [
      { dynamic_labels: { 'a b': {} } },
      {},
      'Kubernetes cluster "c1" invalid label key: "a b"',
    ],
    'a reserved dynamic label': [
      { dynamic_labels: { 'teleport.dev/origin': { period: '1h', command: ['x'] } } },
      {},
      'reserved label key',
    ],
    'a dynamic label without period': [
      label({ command: ['x'] }),
      {},
      'period must be a duration of at least 1s',
    ],
    'a dynamic label every half second': [label({ period: '500ms', command: ['x'] }), {}, 'at least 1s'],
    'a dynamic label with a bad period': [label({ period: 'daily', command: ['x'] }), {}, 'at least 1s'],
    'a dynamic label without command': [
      label({ period: '1h', command: [] }),
      {},
      'command must name a program',
    ],
    'a dynamic label with a shell line (K-09)': [
      label({ period: '1h', command: 'rm -rf /' }),
      {},
      'must be a list',
    ],
    'a dynamic label that is a text': [label('x'), {}, 'spec.dynamic_labels.region must be a mapping'],
    'another version': [{}, { name: 'c1', version: 'x' }, 'unknown field "metadata.version"'],
  };
  test.each(Object.entries(cases))('is one with %s', (_, [spec, metadata, why]) => {
    expect(() => normalize(spec, metadata)).toThrow(why);
  });

  test('does not show its kubeconfig in the message', () => {
    try {
      normalize({ kubeconfig: btoa('users: [canary-secret') });
      expect.unreachable();
    } catch (error) {
      expect((error as Error).message).not.toMatch(/canary|dXNlcnM/);
      expect(InvalidResource.is(error)).toBe(false);
    }
  });
});
