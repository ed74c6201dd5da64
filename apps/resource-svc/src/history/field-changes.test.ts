import type { PublicResource } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fieldChanges, type RecordedContent } from './field-changes.ts';

function content(
  spec: Record<string, unknown>,
  { labels, secrets = {} }: { labels?: Record<string, string>; secrets?: Record<string, string> } = {},
): RecordedContent {
  const metadata = { name: 'dev', ...(labels ? { labels } : {}) };
  return { resource: { kind: 'role', version: 'v7', metadata, spec }, secrets };
}

describe('the fields that changed', () => {
  test('are named with what they are in, and with both values', () => {
    const before = content({ allow: { kubernetes_groups: ['viewers'] }, options: { a: 1 } });
    const after = content({ allow: { kubernetes_groups: ['viewers', 'system:masters'] }, options: { a: 1 } });
    expect(fieldChanges(before, after)).toEqual([
      {
        path: ['spec', 'allow', 'kubernetes_groups'],
        before: ['viewers'],
        after: ['viewers', 'system:masters'],
      },
    ]);
  });

  test('are one change where a field comes or goes with all that is in it', () => {
    expect(fieldChanges(content({}), content({ deny: { kubernetes_groups: ['x'] } }))).toEqual([
      { path: ['spec', 'deny'], after: { kubernetes_groups: ['x'] } },
    ]);
    expect(fieldChanges(content({ deny: {} }), content({}))).toEqual([
      { path: ['spec', 'deny'], before: {} },
    ]);
  });

  test('keep names that hold dots, or that objects have from elsewhere', () => {
    const before = content({}, { labels: { 'a.b/c': '1' } });
    const after = content({}, { labels: { 'a.b/c': '2', constructor: 'x' } });
    expect(fieldChanges(before, after)).toEqual([
      { path: ['metadata', 'labels', 'a.b/c'], before: '1', after: '2' },
      { path: ['metadata', 'labels', 'constructor'], after: 'x' },
    ]);
  });

  test('are all there are when a resource comes into being, and when it ends', () => {
    const role = content({ allow: {} }, { labels: { a: '1' } });
    expect(fieldChanges(undefined, role).map(({ path }) => path.join('.'))).toEqual([
      'metadata.labels',
      'spec.allow',
      'version',
    ]);
    expect(fieldChanges(role, undefined).every((change) => !('after' in change))).toBe(true);
  });

  test('show of a secret that it was written, given or taken, and nothing else', () => {
    const none = content({});
    const one = content({}, { secrets: { 'spec.kubeconfig': 'ref-1' } });
    const other = content({}, { secrets: { 'spec.kubeconfig': 'ref-2' } });
    const path = ['spec', 'kubeconfig'];
    expect(fieldChanges(none, one)).toEqual([{ path, after: '*****', isSecret: true }]);
    expect(fieldChanges(one, other)).toEqual([{ path, before: '*****', after: '*****', isSecret: true }]);
    expect(fieldChanges(other, none)).toEqual([{ path, before: '*****', isSecret: true }]);
    expect(fieldChanges(one, one)).toEqual([]);
    expect(JSON.stringify(fieldChanges(one, other))).not.toContain('ref-');
  });

  test('leave out the name of a token, sealed anew at each write', () => {
    const secrets = (ref: string) => ({ secrets: { 'metadata.name': ref } });
    expect(fieldChanges(content({}, secrets('a')), content({}, secrets('b')))).toEqual([]);
  });
});

const specs = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 });

test('applied to what was before, the changes give what came after', () => {
  fc.assert(
    fc.property(specs, specs, (a, b) => {
      const [before, after] = [content(clean(a)), content(clean(b))];
      const changed = fieldChanges(before, after).reduce(applied, structuredClone(before.resource));
      expect(changed).toEqual(after.resource);
    }),
    { numRuns: 2000 },
  );
});

/** As JSON has it: no -0, and nothing that would set a prototype. */
function clean(spec: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(spec), function (key, value: unknown) {
    return key === '__proto__' ? undefined : value;
  }) as Record<string, unknown>;
}

function applied(resource: PublicResource, { path, after }: ReturnType<typeof fieldChanges>[number]) {
  const parent = path
    .slice(0, -1)
    .reduce((at, key) => at[key] as Record<string, unknown>, resource as Record<string, unknown>);
  if (after === undefined) delete parent[path.at(-1)!];
  else
    Object.defineProperty(parent, path.at(-1)!, {
      value: after,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  return resource;
}
