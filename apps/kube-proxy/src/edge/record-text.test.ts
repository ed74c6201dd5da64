import type { DataOf, KubeRequestAudited } from '@postern/contracts';
import { expect, test } from 'vitest';
import { recordText } from './record-text.ts';

type Recorded = DataOf<typeof KubeRequestAudited>;

const impersonate = { users: [], groups: [] };
const clusterLabels = { env: 'prod' };
const usual: Recorded = {
  requestId: '0199-a',
  auditId: '0199-b',
  user: 'alice',
  session: 's1',
  cluster: 'c1',
  clusterLabels,
  decision: 'allow',
  reason: '',
  roles: ['viewer', 'editor'],
  method: 'GET',
  path: '/api/v1/namespaces/dev/pods/web-1',
  verb: 'get',
  apiGroup: '',
  apiVersion: 'v1',
  resource: 'pods',
  subresource: '',
  namespace: 'dev',
  name: 'web-1',
  impersonate,
  kubeUser: 'alice',
  kubeGroups: ['viewers'],
  outcome: 'known',
  status: 200,
  isStream: false,
  durationMs: 1.25,
  bytesIn: 0,
  bytesOut: 2048,
  policyRevision: '0123456789abcdef',
  edge: 'e1',
  sourceIp: '127.0.0.1',
  userAgent: 'kubectl/v1.34',
};

const texts = [
  '',
  'a"b',
  '\\',
  'line\nend',
  '\u0000',
  'äöü',
  '\u2028',
  '\ud83d\ude00',
  '\ud800',
  '</script>',
];

/** Every field of a record, with values that are like and unlike the usual one's. */
function* changes(): Generator<Partial<Recorded>> {
  for (const [key, value] of Object.entries(usual)) {
    if (key === 'decision' || key === 'outcome') continue;
    if (typeof value === 'string') for (const text of texts) yield { [key]: text };
    if (typeof value === 'number') yield { [key]: value + 1 };
    if (Array.isArray(value)) for (const list of [[], ['viewer', 'viewer'], texts]) yield { [key]: list };
  }
  yield { clusterLabels: { env: 'prod', 'a"b': '\n' } };
  yield { impersonate: { users: texts, groups: texts } };
  yield { decided: { verb: 'create', name: 'a"b\n' } };
  yield { decision: 'deny', reason: 'access.resource_not_allowed', outcome: 'unknown', isStream: true };
}

test('a record as text says the same as JSON.stringify makes of it, whatever came before it', () => {
  for (const change of changes()) {
    for (const data of [{ ...usual, ...change }, usual, usual])
      expect(JSON.parse(recordText(data))).toEqual(JSON.parse(JSON.stringify(data)));
  }
  const { clusterLabels: _, ...withoutLabels } = usual;
  expect(JSON.parse(recordText(withoutLabels))).toEqual(withoutLabels);
});

test('what is alike in the records of thousands of sessions is not mixed up', () => {
  for (let round = 0; round < 2; round += 1) {
    for (let count = 0; count < 2500; count += 1) {
      const data = { ...usual, session: `s${count}`, user: `u${count}` };
      expect(JSON.parse(recordText(data))).toMatchObject({ session: `s${count}`, user: `u${count}` });
    }
  }
});
