import { randomUUID } from 'node:crypto';
import { type BusCredentials, createUserKey, inboxPrefix } from '@postern/bus';
import { everything, selectorHash } from '@postern/contracts';
import type { Clock } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { type BusAccessConfig, busAccessIssuer } from './bus-access.ts';

/** The views that join-svc reads. */
export const ownSelectors = { tokens: everything('token'), policy: everything('role', 'user') } as const;

/** How join-svc itself connects to the bus. */
export interface OwnAccess {
  /** The name of this process, in its certificate and on the bus. */
  readonly agentId: string;
  readonly connection: { readonly inboxPrefix: string; readonly creds?: () => BusCredentials };
}

const lifeMs = 86_400_000;

/** join-svc signs its own bus credential, as it signs everybody's: a fresh one at each connection. */
export function ownAccess(
  config: BusAccessConfig,
  deps: { readonly telemetry: Telemetry; readonly clock: Clock },
): OwnAccess {
  const agentId = `join-svc-${randomUUID()}`;
  const prefix = { inboxPrefix: inboxPrefix(agentId) };
  if (config.busAccountSeed === undefined) return { agentId, connection: prefix };
  const issuer = busAccessIssuer(config, deps);
  const { seed, publicKey: busKey } = createUserKey();
  const views = Object.values(ownSelectors).map(selectorHash);
  const creds = (): BusCredentials => {
    const notAfter = new Date(deps.clock().getTime() + lifeMs);
    const { jwt = '' } = issuer.issue({ agentId, roles: ['Auth'], busKey, views, notAfter });
    return { seed, jwt };
  };
  return { agentId, connection: { ...prefix, creds } };
}
