import type { Bus, BusMessage, Consumption, DurableMessage } from '@postern/bus';
import { anyAgent } from '@postern/contracts';
import { type Clock, InvalidJson, isPlainObject, type Json } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import type { Telemetry } from '@postern/telemetry';
import type { InventoryDb } from '../database.ts';
import { type Fact, readFact } from './read-fact.ts';
import { recordFacts } from './record-facts.ts';

interface FactDeps {
  readonly bus: Bus;
  readonly store: EventStore<InventoryDb>;
  readonly telemetry: Telemetry;
  readonly clusterName: string;
  readonly clock: Clock;
}

/**
 * Records the facts that agents publish. What is no fact is told in the log and let go: it will not become one, and what
 * comes after it must not wait.
 *
 * Those of edges come from a JetStream stream. Those of other agents are recorded and acknowledged here, in the form in
 * which JetStream would: an agent that may publish into a stream may have the server's acknowledgement sent anywhere.
 */
export function consumeFacts({ bus, store, telemetry, clusterName, clock }: FactDeps): Consumption {
  const { meter } = telemetry;
  const recorded = meter.createCounter('inventory_facts_recorded_total', {
    description: 'Facts of agents recorded.',
  });
  const read = factReader(telemetry, clock);
  const record = async (messages: readonly (BusMessage | DurableMessage)[]) => {
    const facts = messages.flatMap(read);
    if (facts.length > 0) recorded.add(await recordFacts({ store, clusterName }, facts));
  };
  const asked = bus.subscribe(anyAgent.clusterServed, { queue: 'inventory' }, async (message) => {
    await record([message]);
    message.respond({ stream: 'inventory', seq: 0 });
  });
  const consumption = bus.consumeBatches({
    stream: 'FACT',
    durable: 'inventory-facts',
    maxBatch: 500,
    maxPending: 2_000,
    handler: record,
  });
  return {
    ready: consumption.ready,
    [Symbol.asyncDispose]: async () => {
      asked.unsubscribe();
      await consumption[Symbol.asyncDispose]();
    },
  };
}

type Message = Pick<BusMessage, 'subject' | 'json'>;

function factReader({ log, meter }: Telemetry, clock: Clock): (message: Message) => Fact[] {
  const refused = meter.createCounter('inventory_facts_refused_total', {
    description: 'Messages that are no facts.',
  });
  return (message) =>
    readMessage(message, clock()).flatMap((result) => {
      if ('fact' in result) return [result.fact];
      refused.add(1, { reason: result.refused });
      log.error('a fact of an agent was refused', { subject: message.subject, reason: result.refused });
      return [];
    });
}

const maxFacts = 200;

/** Each fact of a message for itself: a forged one among others takes none of them with it. */
function readMessage(message: Message, now: Date): ReturnType<typeof readFact>[] {
  try {
    const body = message.json();
    const batch = isPlainObject(body) && Array.isArray(body['facts']) ? (body['facts'] as Json[]) : [body];
    if (batch.length > maxFacts) return [{ refused: 'too_large' }];
    return batch.map((fact) => readFact(message.subject, fact, now));
  } catch (error) {
    if (InvalidJson.is(error)) return [{ refused: 'malformed' }];
    throw error;
  }
}
