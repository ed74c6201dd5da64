import type { StreamConfig } from '@nats-io/jetstream';
import type { EventContext } from '@postern/contracts';
import { factLanes } from './fact-lanes.ts';

/** A JetStream stream as it should be. Fields left out are the server's business. */
export type StreamSpec = Partial<StreamConfig> & Pick<StreamConfig, 'name'>;

/** What an operator decides about JetStream streams. */
export interface StreamOptions {
  /** 1 for a single server, 3 for a cluster. */
  readonly replicas?: number;
  readonly maxAgeDays?: number;
  readonly maxBytes?: number;
}

const day = 86_400_000;
const nanos = (ms: number) => ms * 1_000_000;
const duplicateWindowMs = 120_000;

/** The distribution log of a service's events. Only its relay writes to it; Postgres can fill it again. */
export function eventStream(context: EventContext, options: StreamOptions = {}): StreamSpec {
  return {
    name: eventStreamName(context),
    subjects: [`evt.${context}.>`],
    ...logConfig(options),
    metadata: { owner: context },
  };
}

/** Name of the JetStream stream of a service's events. */
export function eventStreamName(context: EventContext): string {
  return `EVT_${context.toUpperCase()}`;
}

/**
 * Facts born at edges, until the service that records them has done so; a fact may lie in any of these. Those of other agents are
 * not taken: the server acknowledges to whatever subject the sender names, so that only who is trusted with every subject may
 * publish here.
 */
export function factStreams(options: StreamOptions = {}): StreamSpec[] {
  return factLanes.map(({ stream, subject }) => ({
    name: stream,
    subjects: [subject],
    ...logConfig(options),
    metadata: { owner: 'inventory' },
  }));
}

/**
 * The last value of each entry of each label view. What is stored is republished under `live.`, where readers without any
 * JetStream right subscribe. Removed entries stay as empty values: whatever else removes them comes back after a crash.
 */
export function viewStream({ replicas = 1 }: StreamOptions = {}): StreamSpec {
  return {
    name: 'VIEW',
    subjects: ['view.>'],
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    max_msgs_per_subject: 1,
    max_bytes: -1,
    allow_direct: true,
    duplicate_window: nanos(1000),
    republish: { src: 'view.>', dest: 'live.view.>' },
    num_replicas: replicas,
    metadata: { owner: 'resource' },
  };
}

/**
 * Tasks that nobody has settled yet. A subject holds one message and refuses a second, which no crash makes it forget: message
 * ids are forgotten with the messages that a settled task takes away.
 */
export function workStream({ replicas = 1 }: StreamOptions = {}): StreamSpec {
  return {
    name: 'WORK',
    subjects: ['work.*.*.*'],
    retention: 'workqueue',
    storage: 'file',
    discard: 'new',
    discard_new_per_subject: true,
    max_msgs_per_subject: 1,
    max_msg_size: 4096,
    // A slot is a day at most, and a task may be done until the end of the next one.
    max_age: nanos(3 * day),
    max_bytes: 128 * 1024 ** 2,
    num_replicas: replicas,
    metadata: { owner: 'resource' },
  };
}

/** Every JetStream stream there is. A service reconciles the ones it owns. */
export function allStreams(options: StreamOptions = {}): StreamSpec[] {
  const contexts = ['join', 'resource', 'inventory'] as const;
  return [
    ...contexts.map((context) => eventStream(context, options)),
    ...factStreams(options),
    viewStream(options),
    workStream(options),
  ];
}

function logConfig({
  replicas = 1,
  maxAgeDays = 7,
  maxBytes = 1024 ** 3,
}: StreamOptions): Partial<StreamConfig> {
  return {
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    max_age: nanos(maxAgeDays * day),
    max_bytes: maxBytes,
    duplicate_window: nanos(duplicateWindowMs),
    deny_delete: true,
    allow_direct: true,
    num_replicas: replicas,
  };
}
