import { hostname } from 'node:os';
import { joinProcess } from '@postern/agent';
import { openView } from '@postern/bus';
import { everything, policySelector, selectorHash } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { diagServer, Readiness } from '@postern/http';
import { signViewProof } from '@postern/identity';
import { openPolicy } from '@postern/policy';
import { type Logger, startTelemetry } from '@postern/telemetry';
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
}

/** Starts inventory-svc with everything it needs, alone in its process or beside others. Answers once it is ready. */
export async function startInventorySvc(config: InventoryConfig): Promise<RunningInventorySvc> {
  await using opening = new AsyncDisposableStack();
  const readiness = new Readiness();
  const telemetry = opening.use(startTelemetry('inventory-svc', config.telemetry));
  const diag = await opening.use(diagServer({ telemetry, readiness })).listen(config.diagListen);
  const { identity, bus } = opening.use(
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
    }),
  );
  const store = opening.use(await openInventoryStore(config.postgresUrl, { telemetry, clock }));
  const prove = (hash: string) => signViewProof(identity.held, { hash }, clock);
  const policy = opening.use(
    openPolicy(bus, identity.agentId, {
      clock,
      prove,
      snapshotIntervalMs: Math.min(60_000, config.maxPolicyAgeMs / 4),
    }),
  );
  const view = { agentId: identity.agentId, selector: selectors.clusters, clock, prove };
  const clusters = opening.use(openView(bus, view));
  const deps = { store, bus, identity: identity.held, policy, clusters, telemetry, clock, readiness };
  const service = opening.use(await inventoryService(deps, config));
  const { url } = await service.listen(config.listen);
  telemetry.log.info('inventory-svc is ready', { url });
  const open = opening.move();
  return { url, diagUrl: diag.url, log: telemetry.log, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
