import type { ControlPlaneService } from '@postern/contracts';
import { channels, type Party, type Self } from './channels.ts';
import { jetStreamRights } from './jetstream-rights.ts';

/** What a bus user may do: allow lists only, since a deny list is bypassed by what it forgot. */
export interface BusPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Whether it may answer what it was asked, once per message and within seconds, whatever the reply subject is. */
  readonly mayRespond: boolean;
  /** Services send and hear more than the limits for agents allow. */
  readonly isService: boolean;
}

/** Whom a credential is for. */
export interface BusUser {
  readonly agentId: string;
  /** System roles of its certificate. */
  readonly roles: readonly string[];
  /** Which service of the control plane it is. The role Auth alone allows no more than any process may. */
  readonly service?: ControlPlaneService | undefined;
  /** Hashes of the views that it reads. */
  readonly views?: readonly string[];
}

/**
 * The permissions of a joined process: its rows of the table of channels and, for a service, its streams and consumers. An
 * agent has no right in JetStream, and no JetStream stream takes what it says: the server's acknowledgement goes wherever the
 * sender wants it, and would be a message of the agent's on any subject there is.
 */
export function permissionsOf({ agentId, roles, service, views = [] }: BusUser): BusPermissions {
  const self: Self = { id: agentId, roles, service, views };
  const parties = partiesOf(self);
  const isOne = (of: readonly Party[]) => of.some((party) => parties.includes(party));
  const said = channels.filter(({ speakers }) => isOne(speakers));
  const heard = channels.filter(({ listeners }) => isOne(listeners));
  return {
    publish: [
      ...said.flatMap(({ say }) => say(self)),
      ...(service === undefined ? [] : jetStreamRights(service)),
    ],
    subscribe: [...new Set(heard.flatMap(({ hear }) => hear(self)))],
    mayRespond: heard.some(({ isAnswered }) => isAnswered),
    isService: service !== undefined,
  };
}

/** What one is on the bus. A service is nothing but itself: roles that it holds beside Auth add nothing. */
function partiesOf({ roles, service }: Self): Party[] {
  if (service !== undefined) return ['everyone', service];
  const own = (['Kube', 'Proxy', 'Discovery'] as const).filter((role) => roles.includes(role));
  return ['everyone', ...own];
}
