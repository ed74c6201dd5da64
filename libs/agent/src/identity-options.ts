import type { ControlPlaneService } from '@postern/contracts';
import type { Clock, Secret } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import type { Outbound } from './outbound/outbound.ts';
import type { ProvingMethod } from './methods/method.ts';
import type { StateStore } from './stored-identity.ts';
import type { TrustSource } from './trust-anchor.ts';

/** What a process needs to become somebody. */
export interface IdentityOptions {
  /** Addresses of join-svc or of edges, `https://host:port`; each attempt asks the next one. */
  readonly joinUrls: readonly string[];
  readonly trust: TrustSource;
  /** How connections to those addresses are opened; directly without it. */
  readonly outbound?: Outbound | undefined;
  /** The join token; only needed when there is no stored identity that still holds. */
  readonly token?: Secret | string | undefined;
  /** System roles: Kube, Discovery, Proxy, Auth. */
  readonly roles: readonly string[];
  readonly hostname: string;
  /** Which service of the control plane this is, where `roles` has Auth. */
  readonly service?: ControlPlaneService | undefined;
  /** How the process proves who it is; by knowing the token where absent. */
  readonly method?: string;
  /** The ways to prove it, where they are not those of `methods/index.ts`. */
  readonly methods?: readonly ProvingMethod[];
  /** Variables of the process, for methods that read them. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Where the identity is kept over restarts; without it and a store every start joins anew. */
  readonly dataDir?: string | undefined;
  /** Where the identity is kept instead of the data directory, such as a Secret of Kubernetes. */
  readonly store?: StateStore | undefined;
  /** Hashes of the views that will be opened on the bus. */
  readonly views?: readonly string[] | undefined;
  readonly telemetry: Pick<Telemetry, 'log'>;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which a control plane that does not answer ends the attempt. Without it there is no end. */
  readonly giveUpAfterMs?: number | undefined;
}
