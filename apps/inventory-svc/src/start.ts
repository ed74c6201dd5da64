import { hostname } from 'node:os';
import { type Beginning, joinProcess, keepService } from '@postern/agent';
import { openView } from '@postern/bus';
import { everything, policySelector, selectorHash } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { diagServer, LatestReadiness, type ListenAddress } from '@postern/http';
import { signViewProof } from '@postern/identity';
import { openPolicy } from '@postern/policy';
import { type Logger, startTelemetry, type Telemetry } from '@postern/telemetry';
import type { InventoryConfig } from './config.ts';
import { openInventoryStore } from './open-store.ts';
import { inventoryService } from './service.ts';

const selectors = { policy: policySelector, clusters: everything('kube_cluster') };
const clock = systemClock;

/** A replica of inventory-svc. */
export interface RunningInventorySvc extends AsyncDisposable {
  readonly url: string;
  readonly diagUrl: string;
  readonly log: Logger;
  /** Settles only when it cannot go on: with the error why. */
  readonly ended: Promise<never>;
}

/** What is the same however often the service begins. */
interface Ground {
  readonly config: InventoryConfig;
  readonly telemetry: Telemetry;
  readonly readiness: LatestReadiness;
  /** The port that was free is kept: others know it. */
  listen: ListenAddress;
}

/** Starts inventory-svc with everything it needs, alone in its process or beside others. Answers once it is ready. */
export async function startInventorySvc(config: InventoryConfig): Promise<RunningInventorySvc> {
  await using opening = new AsyncDisposableStack();
  const readiness = new LatestReadiness();
  const telemetry = opening.use(startTelemetry('inventory-svc', config.telemetry));
  const diag = await opening.use(diagServer({ telemetry, readiness })).listen(config.diagListen);
  const ground = { config, telemetry, readiness, listen: config.listen };
  const { first, ended } = opening.use(
    await keepService((beginning) => begin(ground, beginning), {
      name: 'inventory-svc',
      telemetry,
      staysWhenTaken: true,
    }),
  );
  const { url } = first;
  const open = opening.move();
  const close = () => open.disposeAsync();
  return { url, ended, diagUrl: diag.url, log: telemetry.log, [Symbol.asyncDispose]: close };
}

async function begin(ground: Ground, { scope, signal }: Beginning) {
  const { config, telemetry } = ground;
  const readiness = ground.readiness.begin();
  const { identity, bus } = scope.use(
    await joinProcess({
      joinUrls: config.joinUrls,
      trust: { caPin: config.caPins, caFile: config.caFile },
      token: config.joinToken,
      roles: ['Auth'],
      service: 'inventory-svc',
      hostname: hostname(),
      dataDir: config.dataDir,
      busServers: config.natsServers,
      views: Object.values(selectors).map(selectorHash),
      telemetry,
      clock,
      signal,
    }),
  );
  const store = scope.use(await openInventoryStore(config.postgresUrl, { telemetry, clock }));
  const prove = (hash: string) => signViewProof(identity.held, { hash }, clock);
  const policy = scope.use(
    openPolicy(bus, identity.agentId, {
      clock,
      prove,
      snapshotIntervalMs: Math.min(60_000, config.maxPolicyAgeMs / 4),
    }),
  );
  const view = { agentId: identity.agentId, selector: selectors.clusters, clock, prove };
  const clusters = scope.use(openView(bus, view));
  const deps = { store, bus, identity: identity.held, policy, clusters, telemetry, clock, readiness };
  const service = scope.use(await inventoryService(deps, config));
  const { url, port } = await service.listen(ground.listen);
  ground.listen = { ...ground.listen, port };
  telemetry.log.info('inventory-svc is ready', { url });
  return { identity, url };
}
