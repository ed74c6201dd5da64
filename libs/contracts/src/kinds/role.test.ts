import { describe, expect, test } from 'vitest';
import { roleKind } from './role.ts';
import type { RoleVersion } from './role-version.ts';

const now = new Date('2026-01-01T00:00:00Z');

function normalize(spec: unknown, version?: string) {
  return roleKind.normalize(
    { kind: 'role', ...(version ? { version } : {}), metadata: { name: 'r' }, spec },
    { now },
  );
}

function allowed(allow: Record<string, unknown>, version: RoleVersion) {
  return normalize({ allow }, version).spec.allow;
}

function resource(version: RoleVersion, item: Record<string, unknown>) {
  return () => allowed({ kubernetes_resources: [item] }, version);
}

const labels = { kubernetes_labels: { '*': '*' } };

describe('a role without kubernetes_resources', () => {
  const pods = { kind: 'pod', namespace: '*', name: '*', verbs: ['*'] };
  const wildcard = { kind: '*', namespace: '*', name: '*', verbs: ['*'] };

  test.each([
    ['v3', [pods]],
    ['v4', [pods]],
    ['v5', [pods]],
    ['v6', undefined],
    ['v7', [wildcard]],
    ['v8', [{ ...wildcard, api_group: '*' }]],
  ] as const)('of version %s gets what the version says', (version, expected) => {
    expect(allowed(labels, version).kubernetes_resources).toEqual(expected);
  });

  test.each(['v4', 'v5', 'v6', 'v7', 'v8'] as const)(
    'of version %s gets nothing without labels',
    (version) => {
      expect(allowed({ kubernetes_groups: ['viewers'] }, version)).toEqual({
        kubernetes_groups: ['viewers'],
      });
    },
  );

  test('of version v8 gets the default for a label expression too', () => {
    const allow = allowed({ kubernetes_labels_expression: 'labels.env == "dev"' }, 'v8');
    expect(allow.kubernetes_resources).toHaveLength(1);
  });

  test('of version v3 selects every cluster', () => {
    expect(allowed({}, 'v3')).toMatchObject({
      kubernetes_labels: { '*': '*' },
      kubernetes_resources: [pods],
    });
  });

  test('of version v3 keeps labels that are written', () => {
    expect(allowed({ kubernetes_labels: { env: 'dev' } }, 'v3').kubernetes_labels).toEqual({ env: 'dev' });
  });

  test.each(['v3', 'v7', 'v8'])('of version %s denies nothing by default', (version) => {
    expect(normalize({ deny: labels }, version).spec.deny).toEqual(labels);
  });
});

describe('verbs of kubernetes_resources', () => {
  const item = { kind: 'pod', namespace: '*', name: '*' };

  test.each(['v3', 'v4', 'v5', 'v6'] as const)('default to all in version %s', (version) => {
    expect(resource(version, item)().kubernetes_resources?.[0]?.verbs).toEqual(['*']);
  });

  test('stay empty in version v7', () => {
    expect(resource('v7', item)().kubernetes_resources?.[0]?.verbs).toEqual([]);
  });

  test('stay empty in version v8', () => {
    expect(resource('v8', { ...item, kind: 'pods' })().kubernetes_resources?.[0]?.verbs).toEqual([]);
  });

  test.each([
    'get',
    'create',
    'update',
    'patch',
    'delete',
    'list',
    'watch',
    'deletecollection',
    'exec',
    'portforward',
  ])('may be %s', (verb) => {
    expect(resource('v7', { ...item, verbs: [verb] })).not.toThrow();
  });

  test('may be a template', () => {
    expect(resource('v7', { ...item, verbs: ['{{external.verbs}}'] })).not.toThrow();
  });
});

describe('kubernetes_resources', () => {
  const all = { namespace: '*', name: '*', verbs: ['*'] };
  const upgrade = 'Upgrade the role version to "v8"';

  test.each<[string, RoleVersion, Record<string, unknown>, string]>([
    [
      'an unknown verb',
      'v7',
      { kind: 'pod', ...all, verbs: ['read'] },
      'KubernetesResource verb "read" is invalid or unsupported; Supported: [* get create',
    ],
    [
      'a verb in capitals',
      'v7',
      { kind: 'pod', ...all, verbs: ['GET'] },
      'KubernetesResource verb "GET" is invalid',
    ],
    [
      '* beside another verb',
      'v7',
      { kind: 'pod', ...all, verbs: ['*', 'get'] },
      'KubernetesResource verb "*" cannot be used with other verbs',
    ],
    [
      'another verb beside *',
      'v8',
      { kind: 'pods', ...all, verbs: ['get', '*'] },
      'KubernetesResource verb "*" cannot be used with other verbs',
    ],
    [
      'a kind other than pod in v3',
      'v3',
      { kind: 'secret', ...all },
      `KubernetesResource kind "secret" is not supported in role version "v3". ${upgrade}`,
    ],
    [
      'a kind other than pod in v6',
      'v6',
      { kind: 'deployment', ...all },
      `KubernetesResource kind "deployment" is not supported in role version "v6". ${upgrade}`,
    ],
    [
      'the kind * in v6',
      'v6',
      { kind: '*', ...all },
      'KubernetesResource kind "*" is not supported in role version "v6"',
    ],
    [
      'the plural in v5',
      'v5',
      { kind: 'pods', ...all },
      'KubernetesResource kind "pods" is not supported in role version "v5"',
    ],
    [
      'a verb other than * in v6',
      'v6',
      { kind: 'pod', ...all, verbs: ['get'] },
      `Role version "v6" only supports "*" verb. ${upgrade}`,
    ],
    ['no namespace in v6', 'v6', { kind: 'pod', name: '*' }, 'must include Namespace'],
    [
      'an api_group in v6',
      'v6',
      { kind: 'pod', ...all, api_group: 'apps' },
      `API Group "apps" is not supported in role version "v6". ${upgrade}`,
    ],
    [
      'an api_group in v7',
      'v7',
      { kind: 'deployment', ...all, api_group: 'apps' },
      `API Group "apps" is not supported in role version "v7". ${upgrade}`,
    ],
    [
      'an unknown kind in v7',
      'v7',
      { kind: 'endpoints', ...all },
      'KubernetesResource kind "endpoints" is invalid or unsupported; Supported: [* pod secret',
    ],
    [
      'the plural in v7',
      'v7',
      { kind: 'pods', ...all },
      'KubernetesResource kind "pods" is invalid or unsupported',
    ],
    [
      'a name every object has as kind in v7',
      'v7',
      { kind: 'constructor', ...all },
      'KubernetesResource kind "constructor" is invalid or unsupported',
    ],
    ['an empty kind in v7', 'v7', { ...all }, 'KubernetesResource kind "" is invalid or unsupported'],
    [
      'a namespaced kind without namespace in v7',
      'v7',
      { kind: 'secret', name: '*', verbs: ['*'] },
      'KubernetesResource kind "secret" must include Namespace',
    ],
    [
      'the kind * without namespace in v7',
      'v7',
      { kind: '*', name: '*', verbs: ['*'] },
      'KubernetesResource kind "*" must include Namespace',
    ],
    ['an empty kind in v8', 'v8', { ...all, api_group: '*' }, 'is required in role version "v8"'],
    [
      'the singular in v8',
      'v8',
      { kind: 'pod', ...all },
      'KubernetesResource kind "pod" is invalid. Please use plural name for role version "v8"',
    ],
    [
      'the singular with every group in v8',
      'v8',
      { kind: 'pod', ...all, api_group: '*' },
      'Please use plural name for role version "v8"',
    ],
    [
      'the singular with its own group in v8',
      'v8',
      { kind: 'deployment', ...all, api_group: 'apps' },
      'KubernetesResource kind "deployment" is invalid. Please use plural name',
    ],
    [
      'no api_group for another group in v8',
      'v8',
      { kind: 'deployments', ...all },
      'KubernetesResource api_group is required for resource "deployments" in role version "v8"',
    ],
    [
      'no api_group for every kind in v8',
      'v8',
      { kind: '*', ...all },
      'KubernetesResource api_group is required for resource "*" in role version "v8"',
    ],
    [
      'a namespaced kind without namespace in v8',
      'v8',
      { kind: 'secrets', name: '*', verbs: ['*'] },
      'KubernetesResource "secrets" must include Namespace',
    ],
    [
      'a namespaced kind of a group without namespace in v8',
      'v8',
      { kind: 'deployments', api_group: 'apps', name: '*', verbs: ['*'] },
      'KubernetesResource "deployments" must include Namespace',
    ],
    ['no name', 'v7', { kind: 'pod', namespace: '*', verbs: ['*'] }, 'KubernetesResource must include Name'],
    ['no name in v6', 'v6', { kind: 'pod', namespace: '*' }, 'KubernetesResource must include Name'],
    ['no name in v8', 'v8', { kind: 'nodes', verbs: ['*'] }, 'KubernetesResource must include Name'],
    [
      'an invalid regular expression',
      'v7',
      { kind: 'pod', ...all, name: '^[$' },
      'spec.allow.kubernetes_resources[0].name: invalid pattern "^[$"',
    ],
    [
      'an invalid template',
      'v7',
      { kind: 'pod', ...all, name: '{{nope}}' },
      'spec.allow.kubernetes_resources[0].name: invalid template',
    ],
    [
      'an unknown field',
      'v7',
      { kind: 'pod', ...all, verb: ['*'] },
      'unknown field "spec.allow.kubernetes_resources[0].verb"',
    ],
    [
      'verbs that are no list',
      'v7',
      { kind: 'pod', ...all, verbs: '*' },
      'spec.allow.kubernetes_resources[0].verbs must be a list',
    ],
    [
      'a name that is a number',
      'v7',
      { kind: 'pod', ...all, name: 1 },
      'spec.allow.kubernetes_resources[0].name must be a string',
    ],
  ])('with %s is refused', (_, version, item, message) => {
    expect(resource(version, item)).toThrow(message);
  });

  test.each<[string, RoleVersion, Record<string, unknown>]>([
    ['a cluster-wide kind without namespace in v7', 'v7', { kind: 'kube_node', name: '*', verbs: ['get'] }],
    ['the kind namespace without namespace in v7', 'v7', { kind: 'namespace', name: 'dev', verbs: ['get'] }],
    ['the kind * in v7', 'v7', { kind: '*', ...all }],
    ['a cluster-wide kind without namespace in v8', 'v8', { kind: 'nodes', name: '*', verbs: ['get'] }],
    [
      'a custom resource in v8',
      'v8',
      { kind: 'teleportroles', api_group: 'resources.teleport.dev', name: '*', verbs: ['*'] },
    ],
    [
      'a custom resource that is called like a singular in v8',
      'v8',
      { kind: 'job', api_group: 'example.com', ...all },
    ],
    ['a pattern as api_group in v8', 'v8', { kind: 'deployments', api_group: '*', ...all }],
    ['a template as namespace', 'v7', { kind: 'pod', ...all, namespace: '{{external.team}}-*' }],
    ['pods as written in v4', 'v4', { kind: 'pod', ...all }],
  ])('with %s is accepted', (_, version, item) => {
    expect(resource(version, item)).not.toThrow();
  });

  test('may hold two hundred regular expressions and no more, but any number of globs', () => {
    const items = (count: number, name: string) =>
      Array.from({ length: count }, () => ({ kind: 'pods', namespace: 'dev', name, verbs: ['get'] }));
    expect(() => allowed({ kubernetes_resources: items(200, '^a$') }, 'v8')).not.toThrow();
    expect(() => allowed({ kubernetes_resources: items(2000, 'a*') }, 'v8')).not.toThrow();
    expect(() => allowed({ kubernetes_resources: items(201, '^a$') }, 'v8')).toThrow(
      'more than 200 regular expressions',
    );
  });

  test('is validated on the deny side too', () => {
    expect(() => normalize({ deny: { kubernetes_resources: [{ kind: 'nope', ...all }] } }, 'v7')).toThrow(
      '"nope" is invalid',
    );
  });
});

describe('labels of a role', () => {
  test.each([
    ['one value', { env: 'dev' }, { env: 'dev' }],
    ['a list of one', { env: ['dev'] }, { env: 'dev' }],
    ['a list', { env: ['dev', 'test-*'] }, { env: ['dev', 'test-*'] }],
    ['a template', { env: '{{external.env}}' }, { env: '{{external.env}}' }],
    ['a key with dots and slashes', { 'teleport.dev/origin': '*' }, { 'teleport.dev/origin': '*' }],
    ['the wildcard as a list', { '*': ['*'] }, { '*': '*' }],
  ])('may be %s', (_, written, expected) => {
    expect(allowed({ kubernetes_labels: written }, 'v7').kubernetes_labels).toEqual(expected);
  });

  test.each([
    ['the key * with another value', { '*': 'prod' }, 'selector *:prod is not supported'],
    ['the key * with more values', { '*': ['*', 'prod'] }, 'selector *:*,prod is not supported'],
    ['a blank in the key', { 'my env': 'dev' }, 'invalid label key: "my env"'],
    ['a letter that keys do not have', { ü: 'dev' }, 'invalid label key'],
    ['an empty key', { '': 'dev' }, 'invalid label key: ""'],
    ['a value that is no text', { env: true }, 'spec.allow.kubernetes_labels.env must be a string'],
    ['a value that is a mapping', { env: { a: 'b' } }, 'spec.allow.kubernetes_labels.env must be a string'],
    ['an invalid regular expression', { env: '^(a$' }, 'spec.allow.kubernetes_labels.env: invalid pattern'],
    [
      'a template that is not closed',
      { env: '{{external.env' },
      'spec.allow.kubernetes_labels.env: invalid template',
    ],
    ['an internal trait that does not exist', { env: '{{internal.team}}' }, 'internal.team is not a trait'],
  ])('with %s are refused', (_, written, message) => {
    expect(() => allowed({ kubernetes_labels: written }, 'v7')).toThrow(message);
  });

  test('may deny under the key * what allowing may not', () => {
    expect(() => normalize({ deny: { kubernetes_labels: { '*': 'prod' } } }, 'v7')).not.toThrow();
  });

  test('as an expression that does not parse are refused', () => {
    expect(() => allowed({ kubernetes_labels_expression: 'labels["env"] = "dev"' }, 'v7')).toThrow(
      'invalid label expression',
    );
  });
});

describe('groups and users of a role', () => {
  test.each([
    'viewers',
    'system:masters',
    'a,b',
    'a b',
    'oidc:team/x',
    '{{internal.kubernetes_groups}}',
    'x-{{external.team}}',
    'grüße',
  ])('may be %j', (group) => {
    expect(allowed({ kubernetes_groups: [group] }, 'v7').kubernetes_groups).toEqual([group]);
  });

  test.each(['', ' a', 'a ', 'a\nb', 'a\rb', 'a\0b', 'a\tb', 'x'.repeat(2000), '{{external.team'])(
    'may not be %j',
    (group) => {
      expect(() => allowed({ kubernetes_groups: [group] }, 'v7')).toThrow('spec.allow.kubernetes_groups');
      expect(() => allowed({ kubernetes_users: [group] }, 'v7')).toThrow('spec.allow.kubernetes_users');
    },
  );

  test('are kept once each', () => {
    expect(allowed({ kubernetes_groups: ['a', 'b', 'a'] }, 'v7').kubernetes_groups).toEqual(['a', 'b']);
  });
});

describe('administrative rules', () => {
  test('are kept as written', () => {
    const rules = [{ resources: ['kube_cluster'], verbs: ['list', 'create', 'read', 'update', 'delete'] }];
    expect(allowed({ rules }, 'v5').rules).toEqual(rules);
  });

  test.each([
    ['no resources', { verbs: ['read'] }, "failed to process 'allow' rule 0: missing resources to match"],
    [
      'empty resources',
      { resources: [], verbs: ['read'] },
      "failed to process 'allow' rule 0: missing resources to match",
    ],
    ['no verbs', { resources: ['role'] }, "failed to process 'allow' rule 0: missing verbs"],
    [
      'an unknown verb',
      { resources: ['role'], verbs: ['get'] },
      `failed to process 'allow' rule 0: verb "get" is unknown`,
    ],
    ['a condition', { resources: ['role'], verbs: ['*'], where: 'true' }, '"where" is not supported'],
    ['actions', { resources: ['role'], verbs: ['*'], actions: ['log("x")'] }, '"actions" is not supported'],
    [
      'an unknown field',
      { resources: ['role'], verbs: ['*'], verb: 'x' },
      'unknown field "spec.allow.rules[0].verb"',
    ],
  ])('with %s are refused', (_, rule, message) => {
    expect(() => allowed({ rules: [rule] }, 'v7')).toThrow(message);
  });

  test('on the deny side say so in their errors', () => {
    const good = { resources: ['role'], verbs: ['read'] };
    expect(() => normalize({ deny: { rules: [good, {}] } })).toThrow(
      "failed to process 'deny' rule 1: missing resources to match",
    );
  });
});

describe('options of a role', () => {
  test.each([
    [undefined, '30h0m0s'],
    ['8h', '8h0m0s'],
    ['90m', '1h30m0s'],
    ['0s', '30h0m0s'],
    ['-1h', '30h0m0s'],
    ['', '30h0m0s'],
  ])('have max_session_ttl %s read as %s', (written, expected) => {
    expect(normalize({ options: { max_session_ttl: written } }).spec.options.max_session_ttl).toBe(expected);
  });

  test.each([
    [
      'an invalid duration',
      { max_session_ttl: '1 day' },
      'spec.options.max_session_ttl must be a duration like',
    ],
    [
      'a duration that is a number',
      { max_session_ttl: 3600 },
      'spec.options.max_session_ttl must be a string',
    ],
    [
      'a negative limit',
      { max_kubernetes_connections: -1 },
      'spec.options.max_kubernetes_connections must not be negative',
    ],
    [
      'a limit that is a text',
      { max_kubernetes_connections: '1' },
      'spec.options.max_kubernetes_connections must be a whole number',
    ],
    ['MFA', { require_session_mfa: true }, 'spec.options.require_session_mfa is not supported'],
    [
      'hardware keys',
      { require_session_mfa: 'hardware_key' },
      'spec.options.require_session_mfa is not supported',
    ],
    ['device trust', { device_trust_mode: 'required' }, 'spec.options.device_trust_mode is not supported'],
    ['pinned addresses', { pin_source_ip: true }, 'spec.options.pin_source_ip is not supported'],
    ['an unknown option', { max_session_tll: '1h' }, 'unknown field "spec.options.max_session_tll"'],
  ])('with %s are refused', (_, options, message) => {
    expect(() => normalize({ options })).toThrow(message);
  });

  test.each([
    [{ default: 'strict' }, { default: 'strict' }],
    [
      { default: 'best_effort', desktop: true, ssh: 'strict' },
      { default: 'best_effort', desktop: true, ssh: 'strict' },
    ],
    [{ default: 'off' }, { default: 'off' }],
    [{ default: '' }, undefined],
    [{}, undefined],
  ])('have record_session %j read as %j', (written, expected) => {
    expect(normalize({ options: { record_session: written } }).spec.options.record_session).toEqual(expected);
  });

  test.each([
    [
      'an unknown mode',
      { default: 'sometimes' },
      'record_session.default must be one of strict, best_effort, off',
    ],
    ['a mode that is no text', { default: true }, 'record_session.default must be a string'],
    ['an unknown key', { kubernetes: 'off' }, 'unknown field "spec.options.record_session.kubernetes"'],
    ['a text', 'strict', 'spec.options.record_session must be a mapping'],
  ])('have no record_session with %s', (_, written, message) => {
    expect(() => normalize({ options: { record_session: written } })).toThrow(message);
  });

  test('of other protocols are kept', () => {
    const options = {
      forward_agent: true,
      cert_format: 'standard',
      pin_source_ip: false,
      require_session_mfa: false,
    };
    expect(normalize({ options }).spec.options).toEqual({
      forward_agent: true,
      cert_format: 'standard',
      max_session_ttl: '30h0m0s',
    });
  });
});

describe('a role', () => {
  test.each(['v3', 'v4', 'v5', 'v6', 'v7', 'v8'])('keeps the version %s of its file', (version) => {
    expect(normalize({}, version).version).toBe(version);
  });

  test('without a version is of version v8', () => {
    expect(normalize({}).version).toBe('v8');
  });

  test.each(['v1', 'v2', 'v9', 'V7', '7'])('of version %s is refused', (version) => {
    expect(() => normalize({}, version)).toThrow(`role version "${version}" is not supported`);
  });

  test.each([
    ['spec', { spec: { alow: {} } }, 'unknown field "spec.alow"'],
    ['a side', { spec: { allow: { kubernetes_label: {} } } }, 'unknown field "spec.allow.kubernetes_label"'],
    ['the document', { specs: {} }, 'unknown field "specs"'],
    ['metadata', { metadata: { name: 'r', label: {} } }, 'unknown field "metadata.label"'],
  ])('with an unknown field in %s is refused with its path', (_, part, message) => {
    const doc = { kind: 'role', version: 'v7', metadata: { name: 'r' }, ...part };
    expect(() => roleKind.normalize(doc, { now })).toThrow(message);
  });

  test.each([
    ['no mapping', 'text', 'the document must be a mapping'],
    ['another kind', { kind: 'user', metadata: { name: 'r' } }, 'kind must be "role"'],
    ['no name', { kind: 'role' }, 'metadata.name is required'],
    [
      'a name with a line end',
      { kind: 'role', metadata: { name: 'a\nb' } },
      'metadata.name must not hold control characters',
    ],
    ['the name ..', { kind: 'role', metadata: { name: '..' } }, 'metadata.name must not hold'],
    [
      'allow that is a list',
      { kind: 'role', metadata: { name: 'r' }, spec: { allow: [] } },
      'spec.allow must be a mapping',
    ],
    [
      'an expiry that is no time',
      { kind: 'role', metadata: { name: 'r', expires: 'tomorrow' } },
      'metadata.expires must be a time',
    ],
  ])('that is %s is refused', (_, doc, message) => {
    expect(() => roleKind.normalize(doc, { now })).toThrow(message);
  });

  test('that requires moderated sessions is refused, as nothing would enforce it', () => {
    expect(() => allowed({ require_session_join: [{ name: 'x' }] }, 'v7')).toThrow(
      'require_session_join is not supported',
    );
  });

  test('keeps fields of other protocols', () => {
    const allow = { logins: ['root'], node_labels: { '*': '*' }, impersonate: { users: ['x'] } };
    expect(allowed(allow, 'v7')).toEqual(allow);
  });

  test('accepts what other releases print: id, namespace, status and null', () => {
    const doc = {
      kind: 'role',
      version: 'v7',
      metadata: { name: 'r', id: Number('9999999999999999999'), namespace: 'default', labels: null },
      spec: { allow: { kubernetes_labels: null }, deny: {}, options: null },
      status: { x: 1 },
    };
    expect(roleKind.normalize(doc, { now })).toEqual({
      kind: 'role',
      version: 'v7',
      metadata: { name: 'r' },
      spec: { options: { max_session_ttl: '30h0m0s' }, allow: {}, deny: {} },
    });
  });

  test('does not know inherited fields', () => {
    const inherited = Object.create({ allow: { kubernetes_groups: ['system:masters'] } }) as object;
    expect(normalize(inherited).spec.allow).toEqual({});
  });

  test.each(['v3', 'v5', 'v6', 'v7', 'v8'])(
    'of version %s that is normalised again stays the same',
    (version) => {
      const once = normalize(
        { allow: { ...labels, kubernetes_groups: ['a'], rules: [{ resources: ['*'], verbs: ['*'] }] } },
        version,
      );
      expect(roleKind.normalize(structuredClone(once), { now })).toEqual(once);
    },
  );
});
