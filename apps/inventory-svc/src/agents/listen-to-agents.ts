import { anyAgent, routesSubject } from '@postern/contracts';
import type { Bus, BusMessage } from '@postern/bus';
import type { Clock } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import type { Kysely } from 'kysely';
import { routeReports } from '../clusters/served-reports.ts';
import type { InventoryDb } from '../database.ts';
import type { Presence } from '../presence/presence.ts';
import { agentIdOf, readHeartbeat, readPong, readServedReport, type Reading } from './agent-messages.ts';
import type { Pings } from './pings.ts';

interface ListenDeps {
  readonly bus: Bus;
  readonly presence: Pick<Presence, 'heartbeat' | 'served' | 'goodbye'>;
  readonly pings: Pick<Pings, 'heard'>;
  readonly db: Kysely<InventoryDb>;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/** Replicas share the messages of agents: each message is for one of them. */
const queue = 'inventory';

/** Listens to what agents say about themselves, and tells edges what is served. Answers how to stop. */
export function listenToAgents({ bus, presence, pings, db, telemetry, clock }: ListenDeps): () => void {
  const refused = telemetry.meter.createCounter('inventory_messages_refused_total', {
    description: 'Messages of agents that are malformed or about another agent.',
  });
  const taken = <T>(message: BusMessage, reading: Reading<T>): T | undefined => {
    if ('value' in reading) return reading.value;
    refused.add(1, { reason: reading.refused });
    telemetry.log.warn('a message of an agent was refused', {
      subject: message.subject,
      reason: reading.refused,
    });
    return undefined;
  };
  const subscriptions = [
    bus.subscribe(anyAgent.heartbeat, { queue }, (message) => {
      const heartbeat = taken(message, readHeartbeat(message.subject, message.json(), clock()));
      if (heartbeat) presence.heartbeat(heartbeat);
    }),
    bus.subscribe(anyAgent.served, { queue }, (message) => {
      const report = taken(message, readServedReport(message.subject, message.json(), clock()));
      if (report) presence.served(report);
    }),
    bus.subscribe(anyAgent.goodbye, { queue }, (message) => presence.goodbye(agentIdOf(message.subject))),
    bus.subscribe(anyAgent.pong, {}, (message) => {
      const pong = taken(message, readPong(message.subject, message.json()));
      if (pong) pings.heard(pong);
    }),
    bus.subscribe(routesSubject, { queue }, async (message) => {
      message.respond({ reports: await routeReports(db) });
    }),
  ];
  return () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
  };
}
