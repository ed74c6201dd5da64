import { describe, expect, test } from 'vitest';
import { isFoundBy, labelsText, parseLabels } from './labels.ts';

describe('labels', () => {
  test.each([
    ['env=prod', { env: 'prod' }],
    ['env=prod,team=dev', { env: 'prod', team: 'dev' }],
    [' env = prod , team=dev ', { env: 'prod', team: 'dev' }],
    ['env=', { env: '' }],
    ['url=a=b', { url: 'a=b' }],
    ['note="a, b",x=1', { note: 'a, b', x: '1' }],
    ['', {}],
  ])('are read from %j', (text, labels) => {
    expect(parseLabels(text)).toEqual(labels);
  });

  test.each(['env', '=prod', 'env=prod,team'])('are refused in %j', (text) => {
    expect(() => parseLabels(text)).toThrow(/invalid label/);
  });

  test('called __proto__ are labels like any other', () => {
    expect(Object.keys(parseLabels('__proto__=x'))).toEqual(['__proto__']);
  });

  test('are printed sorted, those for machines left out', () => {
    const labels = { team: 'b', env: 'a', 'teleport.internal/x': '1', 'teleport.hidden/y': '2' };
    expect(labelsText(labels)).toBe('env=a team=b');
    expect(labelsText(labels, true)).toBe('env=a team=b teleport.hidden/y=2');
  });

  test('are searched together with the name, in any case', () => {
    expect(isFoundBy(['PROD', 'my'], 'mycluster', { env: 'prod' })).toBe(true);
    expect(isFoundBy(['prod', 'other'], 'mycluster', { env: 'prod' })).toBe(false);
  });
});
