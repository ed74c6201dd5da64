import type { Bus } from '@postern/bus';
import {
  agentSubjects,
  type DiscoveryChange,
  type DiscoveryChangesReply,
  type DiscoveryOutcome,
  type FoundCluster,
  type KnownClustersPage,
  type PublicResource,
  type WorkDelivery,
} from '@postern/contracts';
import { clusterOf, plan, type Sighting, type SourceId } from './plan.ts';

/** Something that was found and could not be enrolled, or not be taken away. */
export interface NotDone {
  readonly name: string;
  readonly reason: string;
}

/** What a scan changed, for people. */
export interface Reconciled {
  readonly changed: Readonly<Partial<Record<DiscoveryOutcome['outcome'], number>>>;
  /** The first of those that were left alone, with whose they are. */
  readonly notDone: readonly NotDone[];
  /** Clusters whose resources were made, and those whose resources were deleted, as EKS names them. */
  readonly added: readonly string[];
  readonly gone: readonly string[];
}

export interface ReconcileDeps {
  readonly bus: Pick<Bus, 'request'>;
  readonly agentId: string;
  readonly delivery: WorkDelivery;
  readonly signal: AbortSignal;
}

const answerMs = 30_000;
const changesAtOnce = 25;
const maxBatchLength = 100_000;
const maxPages = 1_000;
const maxNotDone = 20;

/** Compares a scan with what its group knows, and tells what has changed. An unchanged scan tells nothing. */
export async function reconcile(
  deps: ReconcileDeps,
  sighting: Sighting,
  source: SourceId,
): Promise<Reconciled> {
  const known = await knownTo(deps);
  const { found, vanished, collisions } = plan(known, sighting, source);
  const changes: DiscoveryChange[] = [
    ...vanished.map((name) => ({ type: 'vanished' as const, name })),
    ...found.map(asChange),
  ];
  const outcomes: DiscoveryOutcome[] = [];
  for (const batch of inBatches(changes)) outcomes.push(...(await tell(deps, batch)));
  const notDone = [
    ...collisions.map(({ cluster, name, with: other }) => ({
      name,
      reason: `the EKS clusters "${other}" and "${cluster}" are to be called alike: "${cluster}" is not enrolled`,
    })),
    ...outcomes.flatMap(({ name, reason }) => (reason === undefined ? [] : [{ name, reason }])),
  ];
  const deleted = new Set(outcomes.flatMap(({ name, outcome }) => (outcome === 'deleted' ? [name] : [])));
  const gone = known
    .filter(({ metadata: { name } }) => deleted.has(name))
    .flatMap((each) => clusterOf(each) ?? []);
  const added = changes.flatMap((change, at) =>
    change.type === 'found' && outcomes[at]?.outcome === 'created' ? [change.cluster] : [],
  );
  return { changed: countsOf(outcomes), notDone: notDone.slice(0, maxNotDone), added, gone };
}

async function knownTo({ bus, agentId, delivery, signal }: ReconcileDeps): Promise<PublicResource[]> {
  const known: PublicResource[] = [];
  let after = '';
  for (let page = 0; page < maxPages; page += 1) {
    signal.throwIfAborted();
    const subject = agentSubjects.knownClusters(agentId);
    const reply = await bus.request(subject, { delivery, after }, { timeoutMs: answerMs });
    const { clusters, next } = reply as unknown as KnownClustersPage;
    known.push(...clusters);
    if (next === '') break;
    after = next;
  }
  return known;
}

async function tell(
  { bus, agentId, delivery, signal }: ReconcileDeps,
  changes: readonly DiscoveryChange[],
): Promise<readonly DiscoveryOutcome[]> {
  signal.throwIfAborted();
  const subject = agentSubjects.discoveryChanges(agentId);
  const reply = await bus.request(subject, { delivery, changes }, { timeoutMs: answerMs });
  return (reply as unknown as DiscoveryChangesReply).outcomes;
}

/** What cannot be told in the words of the message cannot be a label either. */
function asChange({ name, tags }: FoundCluster): DiscoveryChange {
  const told = [...tags].filter(([key, value]) => key.length <= 512 && value.length <= 1024);
  return { type: 'found', cluster: name, tags: told.slice(0, 200) };
}

function* inBatches(changes: readonly DiscoveryChange[]): Generator<readonly DiscoveryChange[]> {
  let batch: DiscoveryChange[] = [];
  let length = 0;
  for (const change of changes) {
    const own = JSON.stringify(change).length;
    if (batch.length === changesAtOnce || (batch.length > 0 && length + own > maxBatchLength)) {
      yield batch;
      [batch, length] = [[], 0];
    }
    batch.push(change);
    length += own;
  }
  if (batch.length > 0) yield batch;
}

function countsOf(outcomes: readonly DiscoveryOutcome[]): Reconciled['changed'] {
  const counts: Partial<Record<DiscoveryOutcome['outcome'], number>> = {};
  for (const { outcome } of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}
