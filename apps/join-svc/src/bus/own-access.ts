import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type BusCredentials, createUserKey, inboxPrefix } from '@postern/bus';
import { everything, policySelector, selectorHash } from '@postern/contracts';
import { type Clock, derivedUuid } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import type { JoinConfig } from '../config.ts';
import { type BusAccessConfig, busAccessIssuer } from './bus-access.ts';

/** The views that join-svc reads. */
export const ownSelectors = { tokens: everything('token'), policy: policySelector } as const;

/** How join-svc itself connects to the bus. */
export interface OwnAccess {
  /** The name of this process, in its certificate and on the bus. */
  readonly agentId: string;
  readonly connection: { readonly inboxPrefix: string; readonly creds?: () => BusCredentials };
}

/** How long the bus credentials live that join-svc signs for itself. */
export const ownCredentialLifeMs = 86_400_000;

/** join-svc signs its own bus credential, as it signs everybody's: a fresh one at each connection. */
export function ownAccess(
  config: BusAccessConfig & Pick<JoinConfig, 'listen'>,
  deps: { readonly telemetry: Telemetry; readonly clock: Clock },
): OwnAccess {
  const agentId = ownId(hostname(), config.listen);
  const prefix = { inboxPrefix: inboxPrefix(agentId) };
  if (config.busAccountSeed === undefined) return { agentId, connection: prefix };
  const issuer = busAccessIssuer(config, deps);
  const { seed, publicKey: busKey } = createUserKey();
  const views = Object.values(ownSelectors).map(selectorHash);
  const creds = (): BusCredentials => {
    const notAfter = new Date(deps.clock().getTime() + ownCredentialLifeMs);
    const { jwt = '' } = issuer.issue({
      agentId,
      roles: ['Auth'],
      service: 'join-svc',
      busKey,
      views,
      notAfter,
    });
    return { seed, jwt };
  };
  return { agentId, connection: { ...prefix, creds } };
}

/**
 * The same at each start, so that a restart is no new agent. Only one process of a host listens at an address, whichever
 * directories it shares; where the system chooses the port, the next start may be another replica's.
 */
export function ownId(host: string, listen: JoinConfig['listen']): string {
  const id =
    listen.port === 0 ? randomUUID() : derivedUuid('join-svc', host, listen.host, String(listen.port));
  return `join-svc-${id}`;
}
