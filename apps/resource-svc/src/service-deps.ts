import type { EventDesk } from '@postern/event-routes';
import type { Telemetry } from '@postern/telemetry';
import type { LookupDeps } from './resources/find-target.ts';
import type { ResourceStore } from './resources/run-command.ts';

/** What the operations of this service work with. */
export interface ServiceDeps {
  readonly lookup: LookupDeps;
  readonly events: EventDesk;
  readonly resources: ResourceStore;
  readonly telemetry: Pick<Telemetry, 'log'>;
}
