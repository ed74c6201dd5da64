import { join } from 'node:path';
import type { Clock, Secret } from '@postern/core';
import { type EventStore, openEventStore } from '@postern/event-store';
import type { Telemetry } from '@postern/telemetry';
import type { Generated } from 'kysely';
import { KeyInUse } from './agents/agent.ts';
import { ProofWasUsed } from './joins/used-proof.ts';

/** The tables of join-svc beside its events. */
export interface JoinDb {
  readonly authority: {
    readonly use: 'host' | 'user';
    readonly cluster_name: string;
    readonly pin: string;
    readonly certificate: string;
    readonly sealed_key: string | null;
    readonly chain: Generated<string | null>;
    readonly retired_at: Generated<Date | null>;
    readonly created_at: Generated<Date>;
  };
  readonly bus_revocation: {
    readonly bus_key: string;
    readonly agent_id: string;
    readonly ends_at: Date;
  };
  readonly agent_key: {
    readonly agent_id: string;
    readonly key: string;
    readonly issuer: string;
    readonly not_after: Date | null;
    readonly trust_revision: number;
  };
  readonly used_proof: {
    readonly proof: string;
    readonly agent_id: string;
    readonly ends_at: Date | null;
  };
}

export type JoinStore = EventStore<JoinDb>;

/** Opens the schema `join` of the database. */
export function openJoinStore(
  url: Secret,
  { telemetry, clock }: { readonly telemetry: Telemetry; readonly clock: Clock },
): Promise<JoinStore> {
  return openEventStore<JoinDb>({
    url: url.reveal(),
    schema: 'join',
    context: 'join',
    migrations: join(import.meta.dirname, '../migrations'),
    constraints: { a_key_belongs_to_one_agent: KeyInUse, a_proof_makes_one_agent: ProofWasUsed },
    telemetry,
    clock,
  });
}
