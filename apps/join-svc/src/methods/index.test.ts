import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { joinMethods, methodNamed } from './index.ts';

test('every join method that has a file is in the list, and the reverse', () => {
  const files = readdirSync(import.meta.dirname)
    .filter((file) => !file.endsWith('.test.ts') && !['index.ts', 'method.ts'].includes(file))
    .map((file) => file.replace('.ts', ''));
  expect(joinMethods.map(({ name }) => name).toSorted()).toEqual(files.toSorted());
});

test('a method is found by its exact name', () => {
  expect(methodNamed('token')?.name).toBe('token');
  expect(methodNamed('Token')).toBeUndefined();
});
