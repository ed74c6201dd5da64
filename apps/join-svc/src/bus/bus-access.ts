import { permissionsOf, userJwt } from '@postern/bus';
import type { BusAccess, ControlPlaneService } from '@postern/contracts';
import type { Clock, Secret } from '@postern/core';
import { typeForRoles } from '@postern/identity';
import type { Telemetry } from '@postern/telemetry';

/** Whose bus credential, for which views, and until when. */
interface BusAccessSpec {
  readonly agentId: string;
  readonly roles: readonly string[];
  readonly service?: ControlPlaneService | undefined;
  /** Public nkey of the joiner; its seed never left the joiner. */
  readonly busKey: string | undefined;
  readonly views: readonly string[];
  readonly notAfter: Date;
}

/** Tells joiners how to reach the bus, and what they may do there. */
export interface BusAccessIssuer {
  issue(spec: BusAccessSpec): BusAccess;
}

/** Where the bus is, and the seed by which its account trusts us. */
export interface BusAccessConfig {
  /** As the services of the control plane reach it. */
  readonly natsServers: readonly string[];
  /** As agents reach it; the same where absent. */
  readonly busServers: readonly string[] | undefined;
  readonly busAccountSeed: Secret | undefined;
  /** PEM of the authority of the servers' certificates, where it is a private one. */
  readonly busCa?: string | undefined;
}

/**
 * With the account's seed, every joiner gets a credential for its own subjects and the views it reads, which ends with its
 * certificate. Without it the bus must ask nobody, and whoever reaches it may do anything there.
 */
export function busAccessIssuer(
  { natsServers, busServers = natsServers, busAccountSeed, busCa }: BusAccessConfig,
  { telemetry, clock }: { readonly telemetry: Telemetry; readonly clock: Clock },
): BusAccessIssuer {
  const accessBy = (servers: readonly string[]): BusAccess => ({
    servers: servers.map(withoutPassword),
    ...(busCa === undefined ? {} : { ca: busCa }),
  });
  // An edge cannot reach the bus through an edge.
  const access = { agent: accessBy(busServers), svc: accessBy(natsServers) };
  if (busAccountSeed === undefined) {
    telemetry.log.warn(
      'THE BUS ASKS NOBODY FOR A CREDENTIAL: every process that reaches it may read and forge messages',
      {
        remedy: 'set POSTERN_BUS_ACCOUNT_SEED_FILE',
      },
    );
  }
  return {
    issue: ({ busKey, notAfter, ...user }) => {
      const told = access[typeForRoles(user.roles)];
      if (busAccountSeed === undefined || busKey === undefined) return told;
      const jwt = userJwt({
        ...permissionsOf(user),
        accountSeed: busAccountSeed.reveal(),
        userPublicKey: busKey,
        name: user.agentId,
        expires: notAfter,
        clock,
      });
      return { ...told, jwt };
    },
  };
}

/** Our own password on the bus, if there is one in the URL, is not for joiners. */
function withoutPassword(server: string): string {
  const url = URL.parse(server);
  if (!url || (url.username === '' && url.password === '')) return server;
  url.username = '';
  url.password = '';
  return url.href.replace(/\/$/, '');
}
