import type { Clock } from '@postern/core';
import type { EventDesk } from '@postern/event-routes';
import type { HeldIdentity } from '@postern/identity';
import type { Policy } from '@postern/policy';
import type { Telemetry } from '@postern/telemetry';
import type { Certifier } from './authorities/certify.ts';
import type { BusAccessIssuer } from './bus/bus-access.ts';
import type { Revocations } from './bus/revocations.ts';
import type { Challenges } from './challenges/challenges.ts';
import type { JoinStore } from './database.ts';
import type { JoinLimiter } from './joins/limiter.ts';
import type { TokenList } from './joins/tokens.ts';
import type { JoinMethod, MethodDeps } from './methods/method.ts';
import type { RotationDeps } from './rotation/rotate.ts';
import type { TrustTeller } from './rotation/tell-trust.ts';

/** What the operations of join-svc work with. */
export interface JoinDeps {
  readonly store: JoinStore;
  readonly events: EventDesk;
  readonly certifier: Certifier;
  readonly rotation: RotationDeps;
  /** What joined processes are told of whom to trust. */
  readonly trust: Pick<TrustTeller, 'statements'>;
  readonly identity: HeldIdentity;
  readonly tokens: TokenList;
  readonly limiter: JoinLimiter;
  readonly challenges: Challenges;
  readonly joinMethods: readonly JoinMethod[];
  readonly methods: MethodDeps;
  readonly busAccess: BusAccessIssuer;
  readonly revocations: Pick<Revocations, 'tell'>;
  /** Says goodbye in the name of an agent that can say nothing any more. */
  readonly sayGoodbye: (agentId: string) => void;
  readonly policy: Policy;
  /** Whether roles and users are known. */
  readonly policyReady: () => boolean;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly agentTtlMs: number;
  readonly userTtlMs: number;
  /** Refused joins are answered this long after they came, whatever the reason. */
  readonly refusalAfterMs: number;
}
