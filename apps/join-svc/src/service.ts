import { type HeartbeatOptions, startHeartbeat } from '@postern/agent';
import type { StaticToken } from '@postern/config';
import { type Bus, type BusOperator, eventStreamTarget, openView } from '@postern/bus';
import { keepStreams } from './bus/keep-streams.ts';
import type { Clock } from '@postern/core';
import { openEventDesk } from '@postern/event-routes';
import { openParking, startRelay } from '@postern/event-store';
import { type HttpServer, httpServer, type Readiness } from '@postern/http';
import type { HeldIdentity } from '@postern/identity';
import { openPolicy } from '@postern/policy';
import type { Telemetry } from '@postern/telemetry';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { keepAuthorities } from './authorities/keep-authorities.ts';
import { backgroundJobs, type BackgroundJobs } from './background-jobs.ts';
import { openChallenges } from './challenges/challenges.ts';
import type { JoinConfig } from './config.ts';
import type { JoinStore } from './database.ts';
import type { JoinDeps } from './deps.ts';
import { busAccessIssuer } from './bus/bus-access.ts';
import { ownCredentialLifeMs, ownSelectors } from './bus/own-access.ts';
import { isRevoked } from './agents/revoke-agent.ts';
import { keepRevocations, type RevocationDeps } from './bus/revocations.ts';
import { sayGoodbye } from './bus/say-goodbye.ts';
import { JoinLimiter } from './joins/limiter.ts';
import { turnAwayFrom } from './joins/turn-away.ts';
import { tokenList, type TokenView } from './joins/tokens.ts';
import { type MethodSettings, openMethodDeps } from './method-deps.ts';
import { joinMethods } from './methods/index.ts';
import type { JoinMethod } from './methods/method.ts';
import { routes } from './routes.ts';

/** What join-svc runs on. */
export interface JoinServiceDeps {
  readonly store: JoinStore;
  readonly bus: Bus;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** How the bus is told of revoked agents. */
  readonly operator?: BusOperator | undefined;
  /** The ways to join, where they are not those of `methods/index.ts`. */
  readonly joinMethods?: readonly JoinMethod[];
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

export type JoinServiceConfig = Omit<
  JoinConfig,
  | 'postgresUrl'
  | 'listen'
  | 'diagListen'
  | 'telemetry'
  | 'busOperator'
  | 'busCaFile'
  | 'natsReplicas'
  | 'staticTokens'
  | keyof MethodSettings
> &
  Partial<MethodSettings> & {
    readonly staticTokens?: readonly StaticToken[] | undefined;
    /** Copies of each JetStream stream; 1 where absent. */
    readonly natsReplicas?: number;
    /** PEM of the authority of the bus, for joiners. */
    readonly busCa?: string | undefined;
    /** Milliseconds after which a refused join is answered, whatever the reason. */
    readonly refusalAfterMs?: number;
    /** Failed joins of one kind that this replica bears at once, see limiter.ts. */
    readonly failedJoins?: number;
  };

const defaultRefusalMs = 1_000;

/** Certificate authorities, joins, renewals and sessions. */
export async function joinService(deps: JoinServiceDeps, config: JoinServiceConfig): Promise<JoinService> {
  await using opening = new AsyncDisposableStack();
  const { store, bus, telemetry, clock, agentId = `join-svc-${randomUUID()}` } = deps;
  const jobs = opening.use(backgroundJobs(telemetry));
  const own = opening.use(await keepAuthorities({ store, bus, telemetry, clock, jobs, agentId }, config));
  const { held } = own;
  opening.use(await keepBus({ bus, jobs, telemetry }, config));
  opening.use(startRelay({ store, target: eventStreamTarget(bus, 'join'), telemetry }));
  const views = opening.use(openViews({ bus, agentId, clock }, config));
  const revocations = opening.use(keepRevocations({ ...deps, operator: deps.operator, ...locksOf(views) }));
  const parking = opening.use(openParking({ store, telemetry }));
  const events = openEventDesk({ store, bus, parking });
  const methods = opening.use(await openMethodDeps({ clock, telemetry }, config));
  const limiter = new JoinLimiter(clock, config.failedJoins);
  const { refusalAfterMs = defaultRefusalMs } = config;
  const server = opening.use(
    httpServer<JoinDeps>({
      identity: held,
      service: 'join-svc',
      telemetry,
      clock,
      routes,
      isRevoked: (id) => isRevoked(store, id),
      turnAway: turnAwayFrom(limiter, refusalAfterMs),
      ...(deps.readiness ? { readiness: deps.readiness } : {}),
      deps: {
        store,
        events,
        ...own.known,
        identity: held,
        ...views.known,
        limiter,
        challenges: openChallenges(config.key, clock),
        joinMethods: deps.joinMethods ?? joinMethods,
        methods,
        busAccess: busAccessIssuer(config, { telemetry, clock }),
        revocations,
        sayGoodbye: (id) => sayGoodbye(bus, id),
        telemetry,
        clock,
        agentTtlMs: config.agentTtlMs,
        userTtlMs: config.userTtlMs,
        refusalAfterMs,
      },
    }),
  );
  opening.defer(() => events.close());
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

interface BusDuties {
  readonly bus: Bus;
  readonly jobs: BackgroundJobs;
  readonly telemetry: Telemetry;
}

/** Where the bus asks for credentials, join-svc signs its own. */
async function keepBus(
  { bus, jobs, telemetry }: BusDuties,
  { busAccountSeed, natsReplicas = 1 }: JoinServiceConfig,
): Promise<AsyncDisposable> {
  const renew = () => bus.renewCredentials();
  if (busAccountSeed) jobs.keepFresh('the bus credential of this service', ownCredentialLifeMs, renew);
  return keepStreams(bus, telemetry, { replicas: natsReplicas });
}

interface Views extends AsyncDisposable {
  readonly known: Pick<JoinDeps, 'tokens' | 'policy' | 'policyReady'>;
}

/** Whom the bus must refuse because of locks. */
function locksOf({ known: { policy, policyReady } }: Views): Pick<RevocationDeps, 'locked' | 'onLock'> {
  return {
    locked: () => (policyReady() ? policy.lockedAgents() : undefined),
    onLock: (listener) => policy.onChange(({ kind }) => (kind === 'lock' ? listener() : undefined)),
  };
}

/** What is known of tokens, roles and users. */
function openViews(
  { bus, agentId, clock }: { readonly bus: Bus; readonly agentId: string; readonly clock: Clock },
  config: JoinServiceConfig,
): Views {
  const policy = openPolicy(bus, agentId, { clock });
  const view = openTokenView(bus, agentId);
  const policyReady = current(policy.ready, () => policy.ageMs());
  return {
    known: { tokens: tokenList(view, config), policy, policyReady },
    [Symbol.asyncDispose]: async () => {
      await view.close();
      await policy[Symbol.asyncDispose]();
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
    intervalMs,
  });
}
