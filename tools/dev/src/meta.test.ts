import { describe, expect, test } from 'vitest';
import { declaredFailures } from './docs/errors-page.ts';
import { readSource, sourceFiles, workspacePackages } from './workspace.ts';

describe('error codes', () => {
  test('are each declared in one place', () => {
    const codes = declaredFailures().map((failure) => failure.code);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
    expect(codes.length).toBeGreaterThan(10);
  });
});

describe('test names', () => {
  test('are not used twice in one file', () => {
    const twice = workspacePackages().flatMap((pkg) =>
      sourceFiles(pkg.folder)
        .filter((file) => file.endsWith('.test.ts'))
        .flatMap((file) => repeated(readSource(file)).map((name) => `${file}: ${name}`)),
    );
    expect(twice).toEqual([]);
  });
});

function repeated(source: string): string[] {
  const scopes = source.split(/\n(?=describe(?:\.each)?\()/);
  return scopes.flatMap((scope) => {
    const names = [...scope.matchAll(/^\s*test\('([^']+)'/gm)].map((match) => match[1]!);
    return names.filter((name, index) => names.indexOf(name) !== index);
  });
}
