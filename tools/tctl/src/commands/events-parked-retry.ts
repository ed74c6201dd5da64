import { type CliContext, command, rest, text } from '@postern/cli';
import type { EventsApi } from '@postern/client';
import { delay, failure } from '@postern/core';
import { findParked, type FoundMessage, unlessAbsent } from '../events/parked.ts';
import { eventServices } from '../events/services.ts';

const NothingNamed = failure(
  'invalid_argument',
  'tctl.nothing_to_retry',
  () => 'name the ids of the messages, or a consumer with --consumer; see tctl events parked ls',
);

const FailedAgain = failure(
  'failed_precondition',
  'tctl.retry_failed',
  (id: string, why: string) => `${id} could not be handled again: ${why}`,
);

const patienceMs = 10_000;

export const eventsParkedRetry = command({
  name: 'events parked retry',
  summary: 'Have parked messages handled again, after what was wrong was mended',
  args: { ids: rest('ids of parked messages') },
  flags: { consumer: text('--consumer <name>', 'All messages that this consumer has parked') },
  async run(context, { args: { ids }, flags: { consumer } }) {
    if (ids.length === 0 && consumer === undefined) throw NothingNamed();
    const { events } = await context.api();
    for (const id of ids) await retryOne(context, events, await findParked(events, id));
    if (consumer !== undefined) await retryAll(context, events, consumer);
  },
});

async function retryAll({ terminal }: CliContext, events: EventsApi, consumer: string): Promise<void> {
  for (const service of eventServices) await events.retryAll(service, consumer);
  terminal.print(`all messages that ${consumer} has parked are tried again`);
}

/** Asks, and waits a little for how it ends: the replica that runs the consumer does the work. */
async function retryOne(
  { terminal }: CliContext,
  events: EventsApi,
  { service, message: { id, tries } }: FoundMessage,
): Promise<void> {
  await events.retry(service, id);
  for (const end = performance.now() + patienceMs; performance.now() < end; await delay(200)) {
    const now = await unlessAbsent(events.findParked(service, id));
    if (!now) return terminal.print(`${id} was handled`);
    if (now.tries > tries) throw FailedAgain(id, `${now.code}: ${now.error}`);
  }
  terminal.print(`${id} will be tried again when its consumer runs`);
}
