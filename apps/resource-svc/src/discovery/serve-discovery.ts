import type { Bus, BusMessage } from '@postern/bus';
import {
  anyAgent,
  type DiscoveryChange,
  type DiscoveryChangesReply,
  DiscoveryChangesRequest,
  type DiscoveryOutcome,
  fromSubjectToken,
  type KnownClustersPage,
  KnownClustersRequest,
} from '@postern/contracts';
import { AppError, failure } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { WorkForbidden } from '@postern/work-groups';
import { Compile } from 'typebox/compile';
import type { ResourceStore } from '../resources/run-command.ts';
import { systemRolesOf } from '../views/entitlement.ts';
import { applyChange, type Applying } from './apply-change.ts';
import { knownClusters } from './known-clusters.ts';
import { requireScan, type Speaking } from './scan-delivery.ts';

/** A request that no member of a discovery group sends. */
export const InvalidDiscoveryRequest = failure(
  'invalid_argument',
  'resource.invalid_discovery_request',
  () => 'this is no request of a scan: changes come at most 50 at a time, in at most 256 KiB',
);

interface DiscoveryDeps {
  readonly bus: Bus;
  readonly resources: ResourceStore;
  readonly telemetry: Pick<Telemetry, 'log'>;
}

const queue = 'resource-svc';
const maxLength = 256 * 1024;
const known = Compile(KnownClustersRequest);
const changes = Compile(DiscoveryChangesRequest);

/** Answers the members of discovery groups about the clusters of their scans. Every replica does. */
export function serveDiscovery(deps: DiscoveryDeps): Disposable {
  const { bus, resources } = deps;
  const subscriptions = [
    bus.subscribe(anyAgent.knownClusters, { queue }, async (message) => {
      const body = bodyOf(message, (value) => known.Check(value)) as KnownClustersRequest;
      const scan = await scanOf(deps, { agentId: senderOf(message), delivery: body.delivery });
      message.respond(
        (await knownClusters(resources.store.db, scan, body.after)) satisfies KnownClustersPage,
      );
    }),
    bus.subscribe(anyAgent.discoveryChanges, { queue }, async (message) => {
      const body = bodyOf(message, (value) => changes.Check(value)) as DiscoveryChangesRequest;
      const speaking = { agentId: senderOf(message), delivery: body.delivery };
      const scan = await scanOf(deps, speaking);
      message.respond(await applyAll({ resources, speaking, scan }, body.changes));
    }),
  ];
  return {
    [Symbol.dispose]: () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}

/** The bus lets nobody but members speak here; a bus without credentials does. */
async function scanOf({ resources: { store } }: DiscoveryDeps, speaking: Speaking) {
  if (!(await systemRolesOf(store.db, speaking.agentId)).includes('Discovery')) throw WorkForbidden();
  return requireScan(store.db, speaking);
}

/** One after the other, in their order: a name may go before another cluster comes by it. */
async function applyAll(applying: Applying, all: readonly DiscoveryChange[]): Promise<DiscoveryChangesReply> {
  const outcomes: DiscoveryOutcome[] = [];
  for (const change of all) outcomes.push(await outcomeOf(applying, change));
  return { outcomes };
}

/** What is refused about one cluster is not the loss of the others; a lost delivery or database is. */
async function outcomeOf(applying: Applying, change: DiscoveryChange): Promise<DiscoveryOutcome> {
  try {
    return await applyChange(applying, change);
  } catch (error) {
    const isOfOne =
      error instanceof AppError &&
      [
        'resource.revision_conflict',
        'resource.not_found',
        'resource.already_exists',
        'contracts.invalid_resource',
      ].includes(error.code);
    if (!isOfOne) throw error;
    const name = change.type === 'found' ? change.cluster : change.name;
    return { name, outcome: 'refused', reason: error.message };
  }
}

function bodyOf(message: BusMessage, isRight: (value: unknown) => boolean): unknown {
  if (message.text().length > maxLength) throw InvalidDiscoveryRequest();
  const body: unknown = message.json();
  if (!isRight(body)) throw InvalidDiscoveryRequest();
  return body;
}

function senderOf({ subject }: BusMessage): string {
  return fromSubjectToken(subject.split('.')[1]!);
}
