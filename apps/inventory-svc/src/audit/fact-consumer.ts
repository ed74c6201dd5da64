import {
  type Bus,
  type BusMessage,
  type DurableMessage,
  factConsumers,
  InvalidMessage,
  type Parking,
} from '@postern/bus';
import { anyAgent, eventTypeNamed, NewerEvent } from '@postern/contracts';
import { type Clock, failure, InvalidJson, isPlainObject, type Json } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import type { Telemetry } from '@postern/telemetry';
import type { InventoryDb } from '../database.ts';
import { type FactRefusal, readFact } from './read-fact.ts';
import { recordFacts } from './record-facts.ts';

/** What an agent stated is no fact, or none that this program knows, or not that agent's to state. */
const FactRefused = failure(
  'invalid_argument',
  'inventory.fact_refused',
  (reasons: string) => `the message holds what is no fact (${reasons}); what else it holds was recorded`,
);

interface FactDeps {
  readonly bus: Bus;
  readonly store: EventStore<InventoryDb>;
  readonly parking: Parking;
  readonly telemetry: Telemetry;
  readonly clusterName: string;
  readonly clock: Clock;
}

/**
 * Of one edge, one type and one stream. Many more are what a newer edge sends to an older service while both are upgraded, each with
 * a hundred facts; one that is hostile cannot stop the recording of everybody's facts by it.
 */
const maxParkedOfSubject = 1000;

/** The recording of facts, for as long as it is open. */
interface RecordedFacts extends AsyncDisposable {
  /** Resolves when the server knows every consumer. */
  readonly ready: Promise<unknown>;
}

/**
 * Records the facts that agents publish. A message that holds what is no fact is parked, after the facts in it were recorded:
 * a later program may know better, and what comes after it must not wait.
 *
 * Those of edges come from several JetStream streams, and one that was acknowledged late from two of them; it is recorded once. Those of other agents are recorded and acknowledged here, in the form in
 * which JetStream would: an agent that may publish into a stream may have the server's acknowledgement sent anywhere.
 */
export function consumeFacts({
  bus,
  store,
  parking,
  telemetry,
  clusterName,
  clock,
}: FactDeps): RecordedFacts {
  const { meter } = telemetry;
  const recorded = meter.createCounter('inventory_facts_recorded_total', {
    description: 'Facts of agents recorded.',
  });
  const tellRefused = refusalTeller(telemetry);
  const record = async (messages: readonly Message[]): Promise<Refused[]> => {
    const read = messages.flatMap((message) =>
      readMessage(message, clock()).map((result) => ({ message, result })),
    );
    const facts = read.flatMap(({ result }) => ('fact' in result ? [result.fact] : []));
    if (facts.length > 0) recorded.add(await recordFacts({ store, clusterName }, facts));
    return read.flatMap(({ message, result }) =>
      'fact' in result ? [] : [{ message, reason: result.refused, newer: result.newer }],
    );
  };
  const asked = bus.subscribe(anyAgent.clusterServed, { queue: 'inventory' }, async (message) => {
    tellRefused(await record([message]));
    message.respond({ stream: 'inventory', seq: 0 });
  });
  const consumptions = factConsumers.map((consumer) =>
    bus.consumeBatches({
      ...consumer,
      parking,
      maxBatch: 500,
      maxPending: 2_000,
      maxParkedOfSubject,
      async handler(messages) {
        const refused = await record(messages);
        if (refused.length === 0) return;
        // The messages come again one by one, and only the bad ones fail then.
        if (messages.length === 1) tellRefused(refused);
        throw refusalOf(refused);
      },
    }),
  );
  const ready = Promise.all(consumptions.map((consumption) => consumption.ready));
  // Whoever closes it before then need not wait for it.
  ready.catch(() => {});
  return {
    ready,
    [Symbol.asyncDispose]: async () => {
      asked.unsubscribe();
      await Promise.all(consumptions.map((consumption) => consumption[Symbol.asyncDispose]()));
    },
  };
}

type Message = Pick<BusMessage | DurableMessage, 'subject' | 'json'>;

interface Refused {
  readonly message: Message;
  readonly reason: Refusal;
  /** Why it is too new, where it is nothing else. */
  readonly newer?: Error | undefined;
}

/** A newer program than this one would take it. */
type Refusal = FactRefusal | 'newer_version';

/** What is only too new is parked as such, so that the next version of this program takes it by itself. */
function refusalOf(refused: readonly Refused[]): Error {
  const newer = refused.every((each) => each.newer) ? refused[0]?.newer : undefined;
  return newer ?? FactRefused([...new Set(refused.map(({ reason }) => reason))].join(', '));
}

function refusalTeller({ log, meter }: Telemetry): (refused: readonly Refused[]) => void {
  const counter = meter.createCounter('inventory_facts_refused_total', {
    description: 'Messages that are no facts.',
  });
  return (refused) => {
    for (const { message, reason } of refused) {
      counter.add(1, { reason });
      log.error('a fact of an agent was refused', { subject: message.subject, reason });
    }
  };
}

const maxFacts = 200;

type Reading =
  | Extract<ReturnType<typeof readFact>, { readonly fact: unknown }>
  | { readonly refused: Refusal; readonly newer?: Error };

/** Each fact of a message for itself: a forged one among others takes none of them with it. */
function readMessage(message: Message, now: Date): Reading[] {
  try {
    const body = message.json();
    const batch = isPlainObject(body) && Array.isArray(body['facts']) ? (body['facts'] as Json[]) : [body];
    if (batch.length > maxFacts) return [{ refused: 'too_large' }];
    return batch.map((fact) => tooNew(fact) ?? readFact(message.subject, fact, now));
  } catch (error) {
    if (InvalidJson.is(error) || InvalidMessage.is(error)) return [{ refused: 'malformed' }];
    throw error;
  }
}

function tooNew(fact: Json): Reading | undefined {
  if (!isPlainObject(fact) || typeof fact['type'] !== 'string' || typeof fact['v'] !== 'number')
    return undefined;
  const { type, v } = fact;
  const known = eventTypeNamed(type);
  return known && v > known.v ? { refused: 'newer_version', newer: NewerEvent(type, v) } : undefined;
}
