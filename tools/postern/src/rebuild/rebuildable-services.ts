import { type Secret, systemClock } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import { inventoryProjections, openInventoryStore } from '@postern/inventory-svc';
import { openJoinStore } from '@postern/join-svc';
import {
  compareWithRebuild,
  projectionNames,
  rebuildService,
  type ReplayOptions,
  type RowDifference,
  type ServiceProjections,
} from '@postern/projections';
import { openResourceStore, resourceProjections } from '@postern/resource-svc';
import type { Telemetry } from '@postern/telemetry';

/** What to rebuild, who hears how far it is, and what ends it. */
export type RebuildRequest = ReplayOptions & { readonly names?: readonly string[] };

/** A service with a store, as somebody sees it who wants rows made again. */
export interface RebuildableService {
  readonly name: string;
  readonly projections: readonly string[];
  rebuild(url: Secret, telemetry: Telemetry, request: RebuildRequest): Promise<void>;
  /** The rows that a rebuild would change. */
  compare(url: Secret, telemetry: Telemetry): Promise<RowDifference[]>;
}

type Open<Db> = (url: Secret, deps: Deps) => Promise<EventStore<Db>>;
type Deps = { readonly telemetry: Telemetry; readonly clock: typeof systemClock };

/** Every service that has a store, and every projection of each. */
export const rebuildableServices: readonly RebuildableService[] = [
  rebuildable('join', openJoinStore, { withAppend: [], behindBus: [] }),
  rebuildable('resource', openResourceStore, resourceProjections),
  rebuildable('inventory', openInventoryStore, inventoryProjections),
];

function rebuildable<Db>(
  name: string,
  open: Open<Db>,
  projections: ServiceProjections<Db>,
): RebuildableService {
  return {
    name,
    projections: projectionNames(projections),
    async rebuild(url, telemetry, request) {
      await using store = await open(url, { telemetry, clock: systemClock });
      await rebuildService(store, projections, request);
    },
    async compare(url, telemetry) {
      await using store = await open(url, { telemetry, clock: systemClock });
      const found: RowDifference[] = [];
      for (const each of [...projections.withAppend, ...projections.behindBus])
        found.push(...(await compareWithRebuild(store, each)));
      return found;
    },
  };
}
