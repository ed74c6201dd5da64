import { rebuildableServices } from '@postern/postern';
import { describe, expect, test } from 'vitest';
import { readSource, sourceFiles, workspacePackages } from './workspace.ts';

/** Names of the projections that the sources of the apps declare. */
function declared(): string[] {
  const files = workspacePackages().flatMap(({ tag, folder }) =>
    tag === 'app' ? sourceFiles(`${folder}/src`) : [],
  );
  return files
    .filter((file) => !file.endsWith('.test.ts'))
    .flatMap((file) => [...readSource(file).matchAll(/\bprojection(?:<[^>]*>)?\(\s*'([^']+)'/g)])
    .map((match) => match[1]!)
    .toSorted();
}

const listed = rebuildableServices.flatMap(({ projections }) => projections);

describe('projections', () => {
  test('are each in the list of a service, by which they are started, rebuilt and compared', () => {
    expect(declared().length).toBeGreaterThan(1);
    expect(listed.toSorted()).toEqual(declared());
  });

  test('are each in the runbook', () => {
    const runbook = readSource('docs/runbooks/rebuild-a-projection.md');
    expect(listed.filter((name) => !runbook.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('services with a store', () => {
  test('are all among those that can be rebuilt', () => {
    const opened = sourceFiles('apps').filter((file) => readSource(file).includes('openEventStore<'));
    const names = opened.map((file) => file.split('/')[1]!.replace(/-svc$/, ''));
    expect(rebuildableServices.map(({ name }) => name).toSorted()).toEqual([...new Set(names)].toSorted());
  });
});
