import { Secret, systemClock as clock } from '@postern/core';
import { openResourceStore } from '@postern/resource-svc';
import { silentTelemetry } from '@postern/telemetry';
import { until } from '@postern/testkit';
import type { ReadView } from './view-readers.ts';

/** Cluster names and revisions. */
type Model = ReadonlyMap<string, number>;

/** Every reader holds exactly the clusters that Postgres has for its view, at their last revisions. Waits for the last changes. */
export async function checkViews(
  postgresUrl: string,
  readers: readonly ReadView[],
  withinMs: number,
): Promise<string[]> {
  const rows = await readClusters(postgresUrl);
  const findings: string[] = [];
  const end = performance.now() + withinMs;
  for (const reader of readers) {
    const model = new Map(
      rows.filter(({ labels }) => reader.has(labels)).map(({ id, version }) => [id, version]),
    );
    const isEqual = () => differences(reader, model).length === 0;
    await until('the view equals the model', isEqual, {
      withinMs: Math.max(1, end - performance.now()),
    }).catch(() => {
      findings.push(`the view ${reader.name}: ${differences(reader, model).slice(0, 5).join(', ')}`);
    });
  }
  return findings;
}

async function readClusters(postgresUrl: string) {
  const deps = { telemetry: silentTelemetry(), clock };
  await using store = await openResourceStore(new Secret(postgresUrl), deps);
  const rows = await store.db
    .selectFrom('resource')
    .select(['id', 'version', 'doc'])
    .where('kind', '=', 'kube_cluster')
    .execute();
  return rows.map(({ id, version, doc }) => ({ id, version, labels: doc.metadata.labels ?? {} }));
}

function differences({ view }: ReadView, model: Model): string[] {
  const held = new Map(view.entries('kube_cluster').map(({ id, rev }) => [id, rev]));
  const missing = [...model].filter(([id, rev]) => held.get(id) !== rev);
  const extra = [...held.keys()].filter((id) => !model.has(id));
  return [
    ...missing.map(([id, rev]) => `${id} is at ${held.get(id) ?? 'nothing'} instead of ${rev}`),
    ...extra.map((id) => `${id} should not be there`),
  ];
}
