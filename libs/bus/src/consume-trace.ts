import { inCause, inSpan, type Telemetry } from '@postern/telemetry';
import type { DurableMessage } from './consume-message.ts';

const maxLinks = 64;

/**
 * Handles messages in a span that leads back to who published them: as its parent where there is one message, as links where
 * there are many. What the handling of a single event records names that event as its cause.
 */
export function traced(
  telemetry: Partial<Pick<Telemetry, 'tracer'>> | undefined,
  durable: string,
  messages: readonly DurableMessage[],
  work: () => Promise<void>,
): Promise<void> {
  const [message] = messages;
  const caused =
    messages.length === 1 && message!.subject.startsWith('evt.')
      ? () => inCause(() => causeOf(message!), work)
      : work;
  if (!telemetry?.tracer) return caused();
  const links = messages.slice(0, maxLinks).map(({ headers }) => headers['traceparent']);
  const attributes = { 'messaging.system': 'nats', 'messaging.batch.message_count': messages.length };
  const parent = messages.length === 1 ? links[0] : undefined;
  return inSpan(
    telemetry.tracer,
    `process ${durable}`,
    { kind: 'CONSUMER', parent, links, attributes },
    caused,
  );
}

function causeOf(message: DurableMessage) {
  const { id, meta } = message.event();
  return { correlationId: meta.correlationId ?? id, causationId: id };
}
