import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isPlainObject } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { kindNamed, kinds } from './index.ts';

describe('the list of kinds', () => {
  test('names every file of the folder that declares one', async () => {
    const files = readdirSync(import.meta.dirname).filter((file) => /^(?!index)[^.]+\.ts$/.test(file));
    const exported = await Promise.all(files.map(exportsOf));
    const declared = exported.flat().filter((value) => isPlainObject(value) && 'normalize' in value);
    expect(new Set(declared)).toEqual(new Set(kinds));
  });

  test('gives no name twice', () => {
    const names = kinds.flatMap(({ kind, plural, aliases }) => [kind, plural, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
  });

  test.each([
    ['kube_cluster', 'kube_cluster'],
    ['kube_clusters', 'kube_cluster'],
    ['roles', 'role'],
    ['Users', 'user'],
    ['tokens', 'token'],
    ['discovery_config', 'discovery_config'],
  ])('finds %s', (text, kind) => {
    expect(kindNamed(text)?.kind).toBe(kind);
  });

  test('finds nothing under other names', () => {
    for (const text of ['', 'pods', 'constructor', '__proto__']) expect(kindNamed(text)).toBeUndefined();
  });
});

async function exportsOf(file: string): Promise<unknown[]> {
  const { href } = pathToFileURL(join(import.meta.dirname, file));
  return Object.values((await import(href)) as object);
}
