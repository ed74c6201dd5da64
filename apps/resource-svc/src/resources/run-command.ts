import { type NewEvent, ResourceDeleted, ResourceUpserted, type StoredEvent } from '@postern/contracts';
import { type Decider, type EventStore, handle } from '@postern/event-store';
import { type Principal, type Sealer, spiffeId } from '@postern/identity';
import { applyInline } from '@postern/projections';
import type { Transaction } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { resourceList } from './resource-list.ts';
import { streamOf } from './resource-name.ts';
import type { ResourceRow } from './resource-table.ts';
import {
  decideResource,
  evolveResource,
  initialResource,
  type ResourceCommand,
  type ResourceEvent,
  type ResourceState,
} from './resource.ts';
import { type SealedSecret, storeSecrets } from './secrets.ts';

/** What changes resources. */
export interface ResourceStore {
  readonly store: EventStore<ResourceDb>;
  readonly sealer: Sealer;
  readonly clock: () => Date;
}

export interface ResourceRun {
  readonly command: ResourceCommand;
  readonly commandId: string;
  /** Absent for what the service does by itself. */
  readonly principal?: Principal;
  readonly sealed?: readonly SealedSecret[];
  /** What must hold in the same transaction, after the rows have changed. */
  readonly check?: (trx: Transaction<ResourceDb>) => Promise<void>;
}

export interface ResourceOutcome {
  readonly created: boolean;
  /** The resource after the command; absent when it is gone. */
  readonly row?: ResourceRow;
}

const decider: Decider<ResourceState, ResourceCommand> = {
  initial: initialResource,
  decide: (command, state) => decideResource(command, state) as unknown as NewEvent[],
  evolve: (state, event) => evolveResource(state, event as unknown as ResourceEvent),
  events: [ResourceUpserted, ResourceDeleted],
};

/** Decides and records. The rows that are read and the secrets change in the same transaction as the events. */
export async function runCommand(
  { store }: Pick<ResourceStore, 'store'>,
  run: ResourceRun,
): Promise<ResourceOutcome> {
  const { ref } = run.command;
  const { events, state } = await handle(store, {
    stream: streamOf(ref),
    decider,
    command: run.command,
    commandId: run.commandId,
    meta: run.principal ? { actor: spiffeId(run.principal) } : {},
    also: async (trx, recorded, next) => {
      await applyInline(resourceList, trx, recorded);
      await storeSecrets(
        trx,
        ref,
        run.sealed ?? [],
        next.state === 'present' ? Object.values(next.secrets) : [],
      );
      await run.check?.(trx);
    },
  });
  const created = events.some(wasCreated);
  if (state.state === 'absent') return { created };
  const { version, resource, secrets } = state;
  return {
    created,
    row: { ...ref, version, doc: resource, secrets, labels: resource.metadata.labels ?? {} },
  };
}

function wasCreated(event: StoredEvent): boolean {
  return event.type === ResourceUpserted.type && ResourceUpserted.read(event).created;
}
