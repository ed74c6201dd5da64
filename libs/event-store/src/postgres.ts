import { failure } from '@postern/core';
import pg from 'pg';
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import { type ConstraintFailures, StoreUnavailable, translateError } from './failures.ts';
import { answeredWithin } from './unanswered.ts';

/** A schema name that is not a plain lower-case word. */
const InvalidSchema = failure(
  'invalid_argument',
  'event_store.invalid_schema',
  (schema: string) => `invalid Postgres schema ${JSON.stringify(schema)}: use lower-case letters and _`,
);

/** Where and as what to connect. */
export interface PostgresOptions {
  readonly url: string;
  readonly schema: string;
  readonly poolSize?: number;
  readonly constraints?: ConstraintFailures;
  /** Milliseconds after which a connection that does not answer is given up. */
  readonly answerWithinMs?: number;
}

const connectionTimeoutMillis = 5000;
const statementTimeoutMs = 30_000;
// The server itself ends a statement before, so that what is given up is the server and not the statement.
const answerWithinMs = statementTimeoutMs + 5000;

const int8Oid = 20;

// Sequence numbers as numbers: 2^53 events are out of reach.
const types = new pg.TypeOverrides();
types.setTypeParser(int8Oid, Number);

/** Settings of a connection to one service's schema. */
function clientConfig({ url, schema }: PostgresOptions, ...settings: string[]): pg.ClientConfig {
  if (!/^[a-z][a-z_]{0,40}$/.test(schema)) throw InvalidSchema(schema);
  return {
    connectionString: url,
    connectionTimeoutMillis,
    keepAlive: true,
    application_name: `postern-${schema}`,
    options: [`search_path="${schema}"`, ...settings].map((setting) => `-c ${setting}`).join(' '),
    types,
  };
}

/** A single connection of its own. Its errors surface at the next query, so they are no news here. */
export async function connectClient(options: PostgresOptions, ...settings: string[]): Promise<pg.Client> {
  const client = new pg.Client(clientConfig(options, ...settings));
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => {});
    throw translateError(error);
  }
  return client;
}

/** SQL that is sent so often that each connection keeps its plan under a name. */
const prepared = new Map<string, string>();

/** Marks a statement as worth preparing and returns it. */
export function preparedSql(name: string, text: string): string {
  prepared.set(text, name);
  return text;
}

/** The pool as Kysely uses it: hot statements are prepared by name, and no foreign error passes. */
export function openPool(options: PostgresOptions, onIdleError: (error: Error) => void): PostgresPool {
  const config = clientConfig(
    options,
    `statement_timeout=${statementTimeoutMs}`,
    `idle_in_transaction_session_timeout=${statementTimeoutMs}`,
  );
  const pool = new pg.Pool({ ...config, max: options.poolSize ?? 16, idleTimeoutMillis: 30_000 });
  pool.on('error', onIdleError);
  // The pool listens to idle clients only. One that is taken and waits, as the holder of a lease does, would end the
  // process when its connection breaks; its next query fails, which is all that its holder needs to know.
  pool.on('connect', (client) => client.on('error', () => {}));
  const wrapped = new WeakMap<pg.PoolClient, PostgresPoolClient>();
  return {
    options: {},
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect().catch((error: unknown) => {
        throw translateError(error, options.constraints);
      });
      const known = wrapped.get(client) ?? wrapClient(client, options);
      wrapped.set(client, known);
      return known;
    },
  };
}

function wrapClient(client: pg.PoolClient, options: PostgresOptions): PostgresPoolClient {
  const { constraints = {}, answerWithinMs: withinMs = answerWithinMs } = options;
  let isBounded = true;
  let isLost = false;
  const query = async <R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> => {
    const name = prepared.get(text);
    const send = () => client.query({ ...(name ? { name } : {}), text, values: [...parameters] });
    try {
      const result = await (isBounded ? answeredWithin(client, withinMs, send) : send());
      isBounded = isBoundedAfter(text, isBounded);
      return result as unknown as PostgresQueryResult<R>;
    } catch (error) {
      const translated = translateError(error, constraints);
      isLost ||= StoreUnavailable.is(translated);
      throw translated;
    }
  };
  return {
    query: query as PostgresPoolClient['query'],
    // The failure of a query may come before the news that the connection has ended: whoever is next must not get it.
    release: (destroy) => client.release(isLost || (destroy ?? false)),
  };
}

/** A transaction that lifts the server's bound on its statements, as a rebuild does, may wait for their answers as well. */
function isBoundedAfter(text: string, isBounded: boolean): boolean {
  if (text === 'commit' || text === 'rollback') return true;
  return isBounded && !text.includes("set_config('statement_timeout', '0', true)");
}
