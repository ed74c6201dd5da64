import { Secret, systemClock as clock } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import { inventoryProjections, openInventoryStore } from '@postern/inventory-svc';
import { compareWithRebuild, type ServiceProjections } from '@postern/projections';
import { openResourceStore, resourceProjections } from '@postern/resource-svc';
import { silentTelemetry } from '@postern/telemetry';

/** Every projection of every service equals what a rebuild from the events makes of it. */
export async function checkProjections(postgresUrl: string): Promise<string[]> {
  const url = new Secret(postgresUrl);
  const deps = { telemetry: silentTelemetry(), clock };
  await using resources = await openResourceStore(url, deps);
  await using inventory = await openInventoryStore(url, deps);
  return [
    ...(await checkEach(resources, resourceProjections)),
    ...(await checkEach(inventory, inventoryProjections)),
  ];
}

async function checkEach<Db>(
  store: EventStore<Db>,
  { withAppend, behindBus }: ServiceProjections<Db>,
): Promise<string[]> {
  const findings: string[] = [];
  for (const projection of [...withAppend, ...behindBus]) {
    for (const { table, side, row } of await compareWithRebuild(store, projection)) {
      findings.push(`only the ${side} ${table} has ${JSON.stringify(row).slice(0, 300)}`);
    }
  }
  return findings;
}
