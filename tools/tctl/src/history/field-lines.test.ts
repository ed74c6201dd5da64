import { describe, expect, test } from 'vitest';
import { fieldLines } from './field-lines.ts';

describe('the lines of a field', () => {
  test('show a value that changed with both values', () => {
    const path = ['spec', 'options', 'max_session_ttl'];
    expect(fieldLines({ path, before: '30h', after: '1h' })).toEqual([
      '~ spec.options.max_session_ttl: 30h → 1h',
    ]);
    expect(fieldLines({ path, before: '30h', after: 3600 })).toEqual([
      '~ spec.options.max_session_ttl: 30h → 3600',
    ]);
  });

  test('show of a list what came and what went', () => {
    const path = ['spec', 'allow', 'kubernetes_groups'];
    expect(
      fieldLines({ path, before: ['a', 'viewers', 'b'], after: ['viewers', 'system:masters', 'b'] }),
    ).toEqual(['~ spec.allow.kubernetes_groups', '    - a', '    + system:masters']);
    const rule = (verbs: string[]) => ({ kind: 'pods', verbs });
    expect(fieldLines({ path, before: [rule(['get'])], after: [rule(['get']), rule(['*'])] })).toEqual([
      '~ spec.allow.kubernetes_groups',
      '    + {"kind":"pods","verbs":["*"]}',
    ]);
  });

  test('show each field of what came or went', () => {
    const after = {
      kubernetes_groups: ['viewers', 'editors'],
      kubernetes_labels: {},
      rules: [{ verbs: ['*'] }],
    };
    expect(fieldLines({ path: ['spec', 'allow'], after })).toEqual([
      '+ spec.allow.kubernetes_groups: [viewers, editors]',
      '+ spec.allow.kubernetes_labels: {}',
      '+ spec.allow.rules',
      '    + {"verbs":["*"]}',
    ]);
    expect(fieldLines({ path: ['metadata', 'labels'], before: { 'a.b/c': 'x' } })).toEqual([
      '- metadata.labels["a.b/c"]: x',
    ]);
  });

  test('show of a secret that it was written', () => {
    const path = ['spec', 'kubeconfig'];
    const mask = '*****';
    expect(fieldLines({ path, before: mask, after: mask, isSecret: true })).toEqual([
      '~ spec.kubeconfig: ***** (changed)',
    ]);
    expect(fieldLines({ path, after: mask, isSecret: true })).toEqual(['+ spec.kubeconfig: *****']);
    expect(fieldLines({ path, before: mask, isSecret: true })).toEqual(['- spec.kubeconfig: *****']);
  });

  test('quote words that could be taken for something else', () => {
    const path = ['metadata', 'description'];
    expect(fieldLines({ path, before: 'true', after: true })).toEqual([
      '~ metadata.description: "true" → true',
    ]);
    expect(fieldLines({ path, before: '1', after: '' })).toEqual(['~ metadata.description: "1" → ""']);
    expect(fieldLines({ path, before: 'a, b', after: 'two words' })).toEqual([
      '~ metadata.description: "a, b" → "two words"',
    ]);
  });

  test.each(['a\n+ spec.allow: forged', 'x\u001B[2K\u001B[1A', '\u202Eevil', 'a\u2028b'])(
    'stay one line each, whatever the value holds: %j',
    (value) => {
      for (const change of [
        { path: ['metadata', 'labels', value], after: value },
        { path: ['spec', value], before: [value], after: [{ [value]: value }] },
      ]) {
        for (const line of fieldLines(change)) expect(line).not.toMatch(/[\n\r\u001B\u202E\u2028]/);
      }
    },
  );
});
