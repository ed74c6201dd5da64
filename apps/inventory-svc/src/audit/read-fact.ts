import {
  auditFacts,
  carrierOf,
  ClusterServed,
  type DataOf,
  type EventType,
  FactMessage,
  fromSubjectToken,
  type NewEvent,
} from '@postern/contracts';
import { derivedUuid, type Json, type JsonObject } from '@postern/core';
import type { PrincipalType } from '@postern/identity';
import { Compile } from 'typebox/compile';

/** A fact that an agent may state, rebuilt from what it said. */
export interface Fact {
  /** Derived from the agent and its own id for the fact, so that no agent can use up the id of another's. */
  readonly id: string;
  readonly agentId: string;
  readonly agentType: PrincipalType;
  readonly event: NewEvent;
  readonly occurredAt: string;
  readonly traceparent: string | undefined;
}

/** Why a message is no fact. */
export type FactRefusal = 'malformed' | 'unknown_type' | 'another_agent' | 'too_large';

interface KnownFact {
  readonly event: EventType;
  readonly agentType: PrincipalType;
  /** The agent that a fact of this type is about: nobody else may state it. */
  readonly owner: (data: JsonObject) => unknown;
}

const known: ReadonlyMap<string, KnownFact> = new Map<string, KnownFact>([
  [
    ClusterServed.type,
    {
      event: ClusterServed,
      agentType: 'agent',
      owner: (data) => (data as DataOf<typeof ClusterServed>).agentId,
    },
  ],
  ...auditFacts.map((event): [string, KnownFact] => [
    event.type,
    { event, agentType: 'svc', owner: (data) => data['edge'] },
  ]),
]);

const isMessage = Compile(FactMessage);
const maxCharacters = 64 * 1024;
const maxSkewMs = 5 * 60_000;

/**
 * Reads a fact. The agent is the one of the subject, which its bus credential is limited to; what the message says about
 * itself must agree. Fields that the event type does not have are left behind.
 */
export function readFact(
  subject: string,
  body: Json,
  now: Date,
): { readonly fact: Fact } | { readonly refused: FactRefusal } {
  const [, agentToken = '', , type = ''] = subject.split('.');
  if (!isMessage.Check(body) || carrierOf(body.type) !== type || body.id === '' || body.id.length > 100)
    return { refused: 'malformed' };
  const row = known.get(body.type);
  if (!row) return { refused: 'unknown_type' };
  if (JSON.stringify(body.data).length > maxCharacters) return { refused: 'too_large' };
  const data = readData(row.event, body);
  const occurredAt = readTime(body.at, now);
  if (!data || !occurredAt) return { refused: 'malformed' };
  const agentId = fromSubjectToken(agentToken);
  if (row.owner(data) !== agentId) return { refused: 'another_agent' };
  const { agentType } = row;
  const id = derivedUuid('fact', agentId, body.id);
  const event = { type: body.type, v: row.event.v, data };
  return { fact: { id, agentId, agentType, event, occurredAt, traceparent: body.traceparent } };
}

function readData(type: EventType, { v, data }: FactMessage): JsonObject | undefined {
  try {
    const read = type.read({ type: type.type, v, data: data as JsonObject }) as JsonObject;
    const fields = Object.keys(type.schema.properties).filter((field) => Object.hasOwn(read, field));
    const kept = Object.fromEntries(fields.map((field) => [field, read[field]!]));
    return isStorable(kept) ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Postgres takes neither NUL nor half a character, and one such fact must not hold up the batch it came in. */
function isStorable(value: Json): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, item]) => isStorable(key) && isStorable(item));
}

/** A fact from the future happened now, as far as we can tell. */
function readTime(text: string, now: Date): string | undefined {
  const millis = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(millis)) return undefined;
  return new Date(millis > now.getTime() + maxSkewMs ? now.getTime() : millis).toISOString();
}
