import {
  discoveredCluster,
  type DiscoveryChange,
  discoveryLabels,
  type DiscoveryOutcome,
  kubeClusterKind,
  matcherKeysOf,
  nameOfCluster,
  originLabel,
  type PublicResource,
} from '@postern/contracts';
import { derivedUuid } from '@postern/core';
import { parseSpiffeId } from '@postern/identity';
import { findResource, type ResourceRow } from '../resources/resource-table.ts';
import { type ResourceRun, type ResourceStore, runCommand } from '../resources/run-command.ts';
import type { ResourceCommand } from '../resources/resource.ts';
import { revisionOf } from '../resources/resource-name.ts';
import { requireScan, type ScanInHand, type Speaking } from './scan-delivery.ts';
import { mayVanish } from './storm-guard.ts';

type Found = Extract<DiscoveryChange, { readonly type: 'found' }>;

/** Who changes what in the course of which scan. */
export interface Applying {
  readonly resources: ResourceStore;
  readonly speaking: Speaking;
  readonly scan: ScanInHand;
}

/**
 * Does what a scan came to with one cluster. Where a cluster is, whose it is and what its labels of the system are follows from the
 * scan that the member has in hand; what anybody else made is never changed.
 */
export async function applyChange(applying: Applying, change: DiscoveryChange): Promise<DiscoveryOutcome> {
  return change.type === 'found' ? enrol(applying, change) : remove(applying, change.name);
}

async function enrol(applying: Applying, { cluster: eksName, tags }: Found): Promise<DiscoveryOutcome> {
  const { group, account, region, matcherKey } = applying.scan;
  const cluster = { name: eksName, account, region, tags: new Map(tags) };
  const name = nameOfCluster(cluster);
  const row = await find(applying, name);
  const reason = row && whyTaken(row, { ...applying.scan, eksName });
  if (reason !== undefined) return { name, outcome: 'taken', reason };
  const matcherKeys = [...(row ? matcherKeysOf(row.doc) : []), matcherKey];
  return write(applying, name, discoveredCluster(cluster, { group, matcherKeys }), row);
}

async function remove(applying: Applying, name: string): Promise<DiscoveryOutcome> {
  const { scan } = applying;
  const row = await find(applying, name);
  if (!row) return { name, outcome: 'unchanged' };
  const reason = whyTaken(row, scan);
  if (reason !== undefined) return { name, outcome: 'taken', reason };
  const keys = matcherKeysOf(row.doc);
  const left = keys.filter((key) => key !== scan.matcherKey);
  if (left.length === keys.length)
    return { name, outcome: 'refused', reason: 'this matcher did not find it' };
  if (left.length > 0) {
    const written = await write(applying, name, withKeys(row.doc, left), row);
    return written.outcome === 'updated' ? { name, outcome: 'released' } : written;
  }
  if (!(await mayVanish(applying.resources.store.db, scan, name))) return { name, outcome: 'withheld' };
  await run(applying, {
    type: 'DeleteResource',
    ref: refOf(name),
    reason: 'removed',
    name,
    ifMatch: revisionOf(row, row.version),
    now: applying.resources.clock(),
  });
  return { name, outcome: 'deleted' };
}

async function write(
  applying: Applying,
  name: string,
  resource: PublicResource,
  row: ResourceRow | undefined,
): Promise<DiscoveryOutcome> {
  const now = applying.resources.clock();
  const { created, changed } = await run(applying, {
    type: 'WriteResource',
    mode: row ? 'put' : 'create',
    ref: refOf(name),
    resource: kubeClusterKind.normalize(resource, { now }) as unknown as PublicResource,
    secrets: {},
    dropped: [],
    origin: 'cloud',
    ...(row ? { ifMatch: revisionOf(row, row.version) } : {}),
    now,
  });
  return { name, outcome: created ? 'created' : changed ? 'updated' : 'unchanged' };
}

/** In one transaction with the question whether the member still has its delivery: who woke too late changes nothing. */
function run({ resources, speaking, scan }: Applying, command: ResourceCommand) {
  const { agentId, delivery } = speaking;
  const change = [
    command.type,
    command.ref.id,
    command.type === 'WriteResource' ? '' : (command.ifMatch ?? ''),
  ];
  const principal: NonNullable<ResourceRun['principal']> = {
    type: 'agent',
    id: agentId,
    clusterName: parseSpiffeId(resources.self)!.clusterName,
  };
  return runCommand(resources, {
    command,
    commandId: derivedUuid(
      'discovery',
      scan.task,
      String(delivery.slot),
      String(delivery.attempt),
      ...change,
    ),
    principal,
    check: async (trx) => void (await requireScan(trx, speaking)),
  });
}

function find({ resources: { store, clock } }: Applying, name: string): Promise<ResourceRow | undefined> {
  return findResource(store.db, refOf(name), clock());
}

function refOf(name: string) {
  return { kind: kubeClusterKind.kind, id: name };
}

/** Whose a resource is, if it is not a cluster of this group, account and region. */
function whyTaken(
  { doc: { metadata, spec }, labels }: ResourceRow,
  scan: Pick<ScanInHand, 'group' | 'account' | 'region'> & { readonly eksName?: string },
): string | undefined {
  const { name } = metadata;
  if (labels[originLabel] !== 'cloud') return `kube_cluster "${name}" was not made by discovery`;
  const group = labels[discoveryLabels.group];
  if (group !== scan.group) return `kube_cluster "${name}" belongs to the discovery group "${group ?? ''}"`;
  const { account_id: account, region, name: eksName } = spec['aws'] as Readonly<Record<string, string>>;
  const isSame = account === scan.account && region === scan.region;
  if (isSame && (scan.eksName === undefined || scan.eksName === eksName)) return undefined;
  return `kube_cluster "${name}" is the EKS cluster "${eksName}" in ${account}/${region}`;
}

function withKeys(doc: PublicResource, keys: readonly string[]): PublicResource {
  const labels = { ...doc.metadata.labels, [discoveryLabels.matchers]: keys.join('.') };
  return { ...doc, metadata: { ...doc.metadata, labels } };
}
