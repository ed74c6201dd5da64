import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  type AgentIdentity,
  type JoinedProcess,
  joinProcess,
  type Outbound,
  type TrustSource,
} from '@postern/agent';
import { type TeleportConfig, textOrFile, type UnservedService } from '@postern/config';
import { type Clock, Secret } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';

import { identitySecret } from './identity-secret.ts';

/** What the services of one process share. */
export interface Host {
  readonly config: TeleportConfig;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  /** `https://host:port` of proxies. */
  readonly joinUrls: readonly string[];
  readonly trust: TrustSource;
  /** The way out to those. */
  readonly outbound: Outbound;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** Closes what was opened, last first. */
  readonly scope: AsyncDisposableStack;
}

/** A service that runs. */
export interface Started {
  readonly name: string;
  readonly ready: Promise<void>;
  readonly identity: Pick<AgentIdentity, 'lost'>;
}

/** The name of this process in the inventory. */
export function nodeName({ config }: Host): string {
  return config.teleport.nodename ?? hostname();
}

/**
 * Joins the cluster for one service. Each service is an agent of its own, with a certificate for its own role and
 * heartbeats of its own, so that one that is taken away does not take the other with it.
 */
export async function joinCluster(
  host: Host,
  role: 'Kube' | 'Discovery' | UnservedService['role'],
  views: readonly string[],
): Promise<JoinedProcess> {
  const { config, env, scope, telemetry, clock, signal, joinUrls, trust, outbound } = host;
  const { join: joining, dataDir } = config.teleport;
  return scope.use(
    await joinProcess({
      joinUrls,
      publicUrls: joinUrls,
      trust,
      outbound,
      token: joining && new Secret(textOrFile(joining.tokenName)),
      ...(joining ? { method: joining.method } : {}),
      env,
      roles: [role],
      hostname: nodeName(host),
      dataDir: join(dataDir, role.toLowerCase()),
      store: await identitySecret(host, role),
      views,
      telemetry,
      clock,
      signal,
    }),
  );
}
