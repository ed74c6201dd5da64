import { type NewEvent, ResourceDeleted, ResourceUpserted, type StoredEvent } from '@postern/contracts';
import { type Decider, type EventStore, fold, handle } from '@postern/event-store';
import { type Sealer, spiffeId, type SpiffeName } from '@postern/identity';
import { applyInline } from '@postern/projections';
import type { Transaction } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { resourceList } from './resource-list.ts';
import { type ResourceRef, streamOf } from './resource-name.ts';
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
  /** SPIFFE id of the service: who did what nobody asked for. */
  readonly self: string;
}

export interface ResourceRun {
  readonly command: ResourceCommand;
  readonly commandId: string;
  /** Absent for what the service does by itself. */
  readonly principal?: SpiffeName;
  /** Id of the event whose state comes back. */
  readonly restores?: string;
  readonly sealed?: readonly SealedSecret[];
  /** What must hold in the same transaction, after the rows have changed. */
  readonly check?: (trx: Transaction<ResourceDb>) => Promise<void>;
}

export interface ResourceOutcome {
  readonly created: boolean;
  /** False when everything was as the command wants it already. */
  readonly changed: boolean;
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
  { store, self }: Pick<ResourceStore, 'store' | 'self'>,
  run: ResourceRun,
): Promise<ResourceOutcome> {
  const { ref } = run.command;
  const { events, state } = await handle(store, {
    stream: streamOf(ref),
    decider,
    command: run.command,
    commandId: run.commandId,
    meta: {
      actor: run.principal ? spiffeId(run.principal) : self,
      ...(run.restores === undefined ? {} : { causationId: run.restores }),
    },
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
  return outcomeOf(ref, events, state);
}

/** What `runCommand` would do, or its refusal; nothing is recorded. */
export async function previewCommand(
  { store }: Pick<ResourceStore, 'store'>,
  { command, check }: ResourceRun,
): Promise<ResourceOutcome> {
  const { ref } = command;
  const state = fold(decider, await store.load(streamOf(ref)));
  const events = decider.decide(command, state);
  if (check) await store.transaction(check);
  return outcomeOf(
    ref,
    events,
    events.reduce((next, event) => decider.evolve(next, event), state),
  );
}

function outcomeOf(
  ref: ResourceRef,
  events: readonly Pick<StoredEvent, 'type' | 'v' | 'data'>[],
  state: ResourceState,
): ResourceOutcome {
  const outcome = { created: events.some(wasCreated), changed: events.length > 0 };
  if (state.state === 'absent') return outcome;
  const { version, resource, secrets } = state;
  const row = { ...ref, version, doc: resource, secrets, labels: resource.metadata.labels ?? {} };
  return { ...outcome, row };
}

function wasCreated(event: Pick<StoredEvent, 'type' | 'v' | 'data'>): boolean {
  return event.type === ResourceUpserted.type && ResourceUpserted.read(event).created;
}
