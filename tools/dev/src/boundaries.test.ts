import { describe, expect, test } from 'vitest';
import { boundaryViolations, importsOf } from './boundaries.ts';

describe('boundaries', () => {
  test('hold in this repository', () => {
    expect(boundaryViolations()).toEqual([]);
  });

  test('refuse an app that imports an app', () => {
    const app = {
      name: '@postern/a',
      folder: 'apps/kube-proxy',
      tag: 'app',
      dependencies: new Set(['@postern/identity']),
    };
    const other = {
      name: '@postern/identity',
      folder: 'apps/none',
      tag: 'app',
      dependencies: new Set<string>(),
    };
    const problems = boundaryViolations([app, { ...other, folder: 'apps/kube-proxy' }]);
    expect(problems.some((problem) => problem.includes('must not depend on @postern/identity'))).toBe(true);
  });

  test('see static, re-exported and dynamic imports', () => {
    const source = `import a from 'a';\nexport { b } from 'b';\nconst c = await import('c');\nimport 'd';`;
    expect(importsOf(source)).toEqual(['a', 'b', 'c', 'd']);
  });
});
