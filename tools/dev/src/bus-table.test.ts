import { allConsumers } from '@postern/bus';
import { inventoryProjections } from '@postern/inventory-svc';
import { resourceProjections } from '@postern/resource-svc';
import { describe, expect, test } from 'vitest';
import { readSource, sourceFiles, workspacePackages } from './workspace.ts';

/** Where subjects and consumers are declared, and where those of tests are made up. */
const declaring = new Set(['@postern/contracts', '@postern/bus', '@postern/testkit']);

const product = workspacePackages()
  .filter(({ name, tag }) => tag !== 'dev' && !declaring.has(name))
  .flatMap(({ folder }) => sourceFiles(folder))
  .filter((file) => !file.endsWith('.test.ts') && !file.includes('/test/'));

function linesWith(pattern: RegExp): string[] {
  return product.flatMap((file) =>
    readSource(file)
      .split('\n')
      .filter((line) => pattern.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );
}

describe('the table of the bus', () => {
  test('has every durable consumer: no service names one by itself', () => {
    expect(linesWith(/\bdurable(?:_name)?: ['"`]/)).toEqual([]);
  });

  test('has every projection that follows the bus', () => {
    const wanted = [
      ...resourceProjections.behindBus.map(({ name }) => `resource__projection_${name}`),
      ...inventoryProjections.behindBus.map(({ name }) => `inventory__projection_${name}`),
    ];
    const declared = allConsumers().map(({ durable }) => durable);
    expect(declared.filter((durable) => durable.includes('__projection_')).toSorted()).toEqual(
      wanted.toSorted(),
    );
  });

  test('has every subject: no service spells one out', () => {
    expect(linesWith(/\b(?:subscribe|publish|publishDurable|request)\(\s*['"`][a-z_$]+\./)).toEqual([]);
    expect(linesWith(/['"`](?:agent|cmd|evt|wake|live)\.(?:\*|\$\{)/)).toEqual([]);
  });

  test('is looked for in all services', () => {
    for (const app of ['join-svc', 'resource-svc', 'inventory-svc', 'kube-proxy', 'discovery-svc'])
      expect(product.some((file) => file.includes(`apps/${app}/src/`))).toBe(true);
  });
});
