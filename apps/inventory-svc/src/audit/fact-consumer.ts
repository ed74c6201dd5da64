import type { Bus, Consumption, DurableMessage } from '@postern/bus';
import { type Clock, InvalidJson } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import type { Telemetry } from '@postern/telemetry';
import type { InventoryDb } from '../database.ts';
import { type Fact, type FactRefusal, readFact } from './read-fact.ts';
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
 */
export function consumeFacts({ bus, store, telemetry, clusterName, clock }: FactDeps): Consumption {
  const { log, meter } = telemetry;
  const recorded = meter.createCounter('inventory_facts_recorded_total', {
    description: 'Facts of agents recorded.',
  });
  const refused = meter.createCounter('inventory_facts_refused_total', {
    description: 'Messages that are no facts.',
  });
  const read = (message: DurableMessage): Fact[] => {
    const result = readMessage(message, clock());
    if ('fact' in result) return [result.fact];
    refused.add(1, { reason: result.refused });
    log.error('a fact of an agent was refused', {
      subject: message.subject,
      sequence: message.sequence,
      reason: result.refused,
    });
    return [];
  };
  return bus.consumeBatches({
    stream: 'FACT',
    durable: 'inventory-facts',
    maxBatch: 500,
    maxPending: 2_000,
    handler: async (messages) => {
      const facts = messages.flatMap(read);
      if (facts.length > 0) recorded.add(await recordFacts({ store, clusterName }, facts));
    },
  });
}

function readMessage(
  message: DurableMessage,
  now: Date,
): { readonly fact: Fact } | { readonly refused: FactRefusal } {
  try {
    return readFact(message.subject, message.json(), now);
  } catch (error) {
    if (InvalidJson.is(error)) return { refused: 'malformed' };
    throw error;
  }
}
