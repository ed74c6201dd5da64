import type { ControlPlaneService, EventContext } from '@postern/contracts';
import { factLanes } from './fact-lanes.ts';

/**
 * A durable consumer: whose it is, and what it reads. The credential of the service allows exactly this name with exactly this
 * filter, so that a consumer that is not in the list below cannot be made where the bus asks for credentials.
 */
export interface ConsumerSpec {
  readonly service: string;
  readonly stream: string;
  /** `<service>__<what>`; the replicas of a service share it. */
  readonly durable: string;
  /** One subject, of which the stream's are a superset. It is part of the right to create the consumer. */
  readonly filterSubject: string;
}

/** The durable consumers that are neither of facts nor of projections. */
export const consumers = {
  resourceViews: {
    service: 'resource-svc',
    stream: 'EVT_RESOURCE',
    durable: 'resource__views',
    filterSubject: 'evt.resource.>',
  },
  resourceAgents: {
    service: 'resource-svc',
    stream: 'EVT_JOIN',
    durable: 'resource__agents',
    filterSubject: 'evt.join.*.agent.>',
  },
  inventoryRevocations: {
    service: 'inventory-svc',
    stream: 'EVT_JOIN',
    durable: 'inventory__revocations',
    filterSubject: 'evt.join.*.agent.*.AgentRevoked',
  },
} as const satisfies Readonly<Record<string, ConsumerSpec>>;

/** The consumers of facts, one for each JetStream stream that may hold them. */
export const factConsumers: readonly ConsumerSpec[] = factLanes.map(({ stream, durable, subject }) => ({
  service: 'inventory-svc',
  stream,
  durable,
  filterSubject: subject,
}));

/**
 * The consumers of work groups, one for each group of discovery agents. Groups come and go with the configuration of agents, so
 * this is the only right to make consumers of any name; it is for the stream that has no others.
 */
export const workConsumers = {
  service: 'resource-svc',
  stream: 'WORK',
  durable: '*',
  filterSubject: 'work.*.*.*',
} as const satisfies ConsumerSpec;

/** What the rights of a consumer follow from. */
export type ConsumerRight = Pick<ConsumerSpec, 'stream' | 'durable' | 'filterSubject'>;

/** The projections that follow the bus, by the context whose events they are of. */
const followed: readonly { readonly context: EventContext; readonly name: string }[] = [
  { context: 'resource', name: 'change_list' },
];

/**
 * The durable consumer by which a projection of a service's own events follows the bus. Its versions share one: a newer program
 * goes on where the older one was, and the rows are its own business.
 */
export function projectionConsumer(context: EventContext, name: string): ConsumerSpec {
  return {
    service: `${context}-svc`,
    stream: `EVT_${context.toUpperCase()}`,
    durable: `${context}__projection_${name}`,
    filterSubject: `evt.${context}.>`,
  };
}

/** Every durable consumer that a service may make and read. */
export function consumersOf(service: ControlPlaneService): ConsumerSpec[] {
  return allConsumers().filter((consumer) => consumer.service === service);
}

/** Every durable consumer there is. */
export function allConsumers(): ConsumerSpec[] {
  const projections = followed.map(({ context, name }) => projectionConsumer(context, name));
  return [...Object.values(consumers), ...factConsumers, ...projections];
}
