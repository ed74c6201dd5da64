import { type HeartbeatOptions, startHeartbeat } from '@postern/agent';
import { type Bus, eventStream, eventStreamTarget, openView } from '@postern/bus';
import type { Clock } from '@postern/core';
import { startRelay } from '@postern/event-store';
import { type HttpServer, httpServer, type Readiness } from '@postern/http';
import { type HeldIdentity, sealerFrom, spiffeId } from '@postern/identity';
import { openPolicy } from '@postern/policy';
import type { Telemetry } from '@postern/telemetry';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { writeAdminIdentity } from './authorities/admin-identity.ts';
import type { Certifier } from './authorities/certify.ts';
import { openAuthorities } from './authorities/open-authorities.ts';
import { issueOwnIdentity, keepFresh } from './authorities/own-identity.ts';
import type { JoinConfig } from './config.ts';
import type { JoinStore } from './database.ts';
import type { JoinDeps } from './deps.ts';
import { writeCaFile } from './files.ts';
import { busAccessIssuer } from './bus/bus-access.ts';
import { ownSelectors } from './bus/own-access.ts';
import { JoinLimiter } from './joins/limiter.ts';
import { tokenList, type TokenView } from './joins/tokens.ts';
import { routes } from './routes.ts';

/** What join-svc runs on. */
export interface JoinServiceDeps {
  readonly store: JoinStore;
  readonly bus: Bus;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** Name of this process; the one its bus connection was made with. */
  readonly agentId?: string;
  /** Shared with the diagnostics listener. */
  readonly readiness?: Readiness;
}

/** A running join-svc. */
export interface JoinService extends AsyncDisposable {
  readonly identity: HeldIdentity;
  listen(address: JoinConfig['listen']): ReturnType<HttpServer['listen']>;
}

export type JoinServiceConfig = Omit<JoinConfig, 'postgresUrl' | 'listen' | 'diagListen' | 'telemetry'> & {
  /** Milliseconds after which a refused join is answered, whatever the reason. */
  readonly refusalAfterMs?: number;
};

const refusalAfterMs = 1_000;

/** Certificate authorities, joins, renewals and sessions. */
export async function joinService(deps: JoinServiceDeps, config: JoinServiceConfig): Promise<JoinService> {
  await using opening = new AsyncDisposableStack();
  const { store, bus, telemetry, clock } = deps;
  const authorities = await openAuthorities(
    { store, clock, sealer: sealerFrom(config.key) },
    config.clusterName,
  );
  const certifier: Certifier = { authorities, clock, publicAddrs: config.publicAddrs ?? [] };
  const jobs = opening.use(backgroundJobs(telemetry));
  const { agentId = `join-svc-${randomUUID()}` } = deps;
  const { held, renew } = await issueOwnIdentity(certifier, { id: agentId, lifeMs: config.agentTtlMs });
  jobs.keepFresh('the certificate of this service', config.agentTtlMs, renew);
  await writeFiles({ store, certifier, clock, jobs, by: spiffeId(held.current().principal) }, config);
  await bus.reconcileStreams([eventStream('join')]);
  opening.use(startRelay({ store, target: eventStreamTarget(bus, 'join'), telemetry }));
  const policy = opening.use(openPolicy(bus, agentId, { clock }));
  const view = openTokenView(bus, agentId);
  opening.defer(() => view.close());
  const server = opening.use(
    httpServer<JoinDeps>({
      identity: held,
      service: 'join-svc',
      telemetry,
      clock,
      routes,
      ...(deps.readiness ? { readiness: deps.readiness } : {}),
      deps: {
        store,
        certifier,
        identity: held,
        tokens: tokenList(view, config.serviceToken),
        limiter: new JoinLimiter(clock),
        busAccess: busAccessIssuer(config, { telemetry, clock }),
        policy,
        policyReady: current(policy.ready, () => policy.ageMs()),
        telemetry,
        clock,
        agentTtlMs: config.agentTtlMs,
        userTtlMs: config.userTtlMs,
        refusalAfterMs: config.refusalAfterMs ?? refusalAfterMs,
      },
    }),
  );
  opening.use(heartbeat({ bus, telemetry, clock }, agentId, config.heartbeatIntervalMs));
  const open = opening.move();
  return {
    identity: held,
    listen: async (address) => {
      const listening = await server.listen(address);
      server.setReady(true);
      return listening;
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

interface FileDeps {
  readonly store: JoinStore;
  readonly certifier: Certifier;
  readonly clock: Clock;
  readonly jobs: BackgroundJobs;
  readonly by: string;
}

async function writeFiles({ jobs, by, ...deps }: FileDeps, config: JoinServiceConfig): Promise<void> {
  const { adminIdentityFile: path, dataDir, userTtlMs: lifeMs } = config;
  if (dataDir !== undefined) await writeCaFile(dataDir, deps.certifier.authorities.host.certificate);
  if (path === undefined) return;
  const write = () => writeAdminIdentity(deps, { path, lifeMs, by });
  await write();
  jobs.keepFresh('the identity file of the administrator', lifeMs, write);
}

interface BackgroundJobs extends AsyncDisposable {
  keepFresh(what: string, lifeMs: number, renew: () => Promise<void>): void;
}

function backgroundJobs(telemetry: Telemetry): BackgroundJobs {
  const stopped = new AbortController();
  const running: Promise<void>[] = [];
  return {
    keepFresh: (what, lifeMs, renew) =>
      void running.push(keepFresh(what, { telemetry, signal: stopped.signal, lifeMs }, renew)),
    [Symbol.asyncDispose]: async () => {
      stopped.abort();
      await Promise.allSettled(running);
    },
  };
}

function openTokenView(bus: Bus, agentId: string): TokenView & { close(): Promise<void> | void } {
  const listeners = new Set<() => void>();
  const onChange = () => listeners.forEach((listener) => listener());
  const view = openView(bus, { agentId, selector: ownSelectors.tokens, onChange });
  return {
    isReady: current(view.ready, () => Date.now() - view.lastContactAt().getTime()),
    get: (id) => view.get('token', id),
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: () => view.close(),
  };
}

/** What was last heard of longer ago may have been taken back since: a token, a role, a user. */
const maxViewAgeMs = 300_000;

/** Whether a view is complete, and not too old to go by. */
function current(ready: Promise<unknown>, ageMs: () => number): () => boolean {
  let isComplete = false;
  ready.then(
    () => (isComplete = true),
    () => {},
  );
  return () => isComplete && ageMs() <= maxViewAgeMs;
}

function heartbeat(
  deps: Pick<HeartbeatOptions, 'bus' | 'telemetry' | 'clock'>,
  agentId: string,
  intervalMs: number,
) {
  const identity = { agentId };
  return startHeartbeat({
    ...deps,
    identity,
    hostname: hostname(),
    services: ['Auth'],
    address: '',
    intervalMs,
  });
}
