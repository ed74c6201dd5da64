import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamManager,
} from '@nats-io/jetstream';
import { failure, messageOf } from '@postern/core';
import type { ConsumeBase } from './consume.ts';

/** A durable consumer that an older program, or somebody else, made so that it cannot become what is declared. */
export const ConsumerRefused = failure(
  'failed_precondition',
  'bus.consumer_refused',
  (stream: string, durable: string, why: string) =>
    `the durable consumer ${durable} of ${stream} is another than this program declares, and the server does not change it (${why}). Delete it: nats consumer delete ${stream} ${durable}. It is made again at once and begins at the first message; what was handled before is not done twice`,
);

/** How long the server waits for an acknowledgement where nothing else is said. */
export const defaultAckWaitMs = 30_000;

/** A handler that takes longer than this is believed to hang: longer than any statement or request of ours may take. */
export const defaultHungAfterMs = 120_000;

/** How many messages are delivered and not yet done, at most, where nothing else is said. */
export const defaultMaxPending = 1000;

/** Makes the consumer, or changes it to what is declared. */
export async function declareConsumer(
  manager: JetStreamManager,
  options: ConsumeBase,
): Promise<ConsumerInfo> {
  const { stream, durable } = options;
  const config = configOf(options);
  try {
    return await manager.consumers.add(stream, config);
  } catch (error) {
    if (!isAnother(error)) throw error;
    return await manager.consumers.update(stream, durable, config).catch((refused: unknown) => {
      if (!(refused instanceof JetStreamApiError) || refused.status === 503) throw refused;
      throw ConsumerRefused.from(refused, stream, durable, messageOf(refused));
    });
  }
}

function configOf({ durable, filterSubject, ackWaitMs, maxPending }: ConsumeBase) {
  return {
    durable_name: durable,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: (ackWaitMs ?? defaultAckWaitMs) * 1_000_000,
    max_ack_pending: maxPending ?? defaultMaxPending,
    // The attempts are counted here, where it is known why they failed; the server would forget the message.
    max_deliver: -1,
    ...(filterSubject === undefined ? {} : { filter_subject: filterSubject }),
  };
}

// "Consumer already exists" and "consumer name already in use": with another configuration than the one asked for.
const anotherCodes: readonly number[] = [10_148, 10_013, 10_105];

function isAnother(error: unknown): boolean {
  return error instanceof JetStreamApiError && anotherCodes.includes(error.code);
}
