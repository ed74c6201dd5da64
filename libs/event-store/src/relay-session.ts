import type pg from 'pg';
import { translateError } from './failures.ts';
import type { Backlog } from './outbox-gauge.ts';
import { connectClient, type PostgresOptions } from './postgres.ts';
import { answeredWithin } from './unanswered.ts';
import { eventColumns, eventOf, type EventRow, type PositionedEvent } from './read.ts';

/** How far the JetStream stream was when a relay last wrote to it. */
export interface RelayMark {
  readonly sequence: number;
  readonly created: string | undefined;
}

// A leader that was stopped keeps its TCP session and with it the lock. Postgres ends the session when this long nothing was
// asked on it, so somebody else leads after less than two seconds.
const idleTimeoutMs = 1500;
const keepAliveMs = 400;
const statementTimeoutMs = 10_000;
// Half a minute would be long for a replica that may have to lead soon.
const answerWithinMs = statementTimeoutMs + 2000;

const pendingSql = `select ${eventColumns} from (select seq from es_outbox order by seq limit $1) o
  join es_event using (seq) order by seq`;
const backlogSql = `select count(*) as rows,
  (select at from es_event where seq = (select min(seq) from es_outbox)) as oldest_at from es_outbox`;
const publishedSql = `with gone as (delete from es_outbox where seq = any($1::bigint[]))
  update es_relay set js_seq = $2 where name = $3`;
const knownSql = `delete from es_outbox where seq in (select seq from es_event where event_id = any($1::uuid[]))`;
// Late commits make publication order differ a little from allocation order. So the newest thousand messages decide from where
// events may be missing, and a second thousand before them is there to know what was published out of that order.
const requeueSql = `insert into es_outbox (seq)
  select seq from es_event
  where seq > coalesce((select min(seq) from es_event where event_id = any($1::uuid[])), 0)
    and event_id <> all($2::uuid[])
  on conflict do nothing`;

/** The one session that may write to the JetStream stream: everything the relay asks of Postgres is asked here. */
export class RelaySession implements AsyncDisposable {
  readonly #client: pg.Client;
  readonly #name: string;
  readonly #keepAlive: NodeJS.Timeout;
  /** A connection answers one query at a time, and the next one is for whoever owns the connection to hold back. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  private constructor(client: pg.Client, name: string) {
    this.#client = client;
    this.#name = name;
    this.#keepAlive = setInterval(() => this.#stayAlive(), keepAliveMs);
  }

  static async open(options: PostgresOptions, name: string): Promise<RelaySession> {
    const client = await connectClient(
      options,
      `idle_session_timeout=${idleTimeoutMs}`,
      `statement_timeout=${statementTimeoutMs}`,
      'tcp_user_timeout=5000',
    );
    return new RelaySession(client, name);
  }

  /** Becomes the leader if nobody is. */
  async tryLead(): Promise<boolean> {
    const [row] = await this.#query<{ won: boolean }>(
      'try_lead',
      "select pg_try_advisory_lock(hashtextextended('postern.relay.' || current_schema() || '.' || $1, 0)) won",
      [this.#name],
    );
    return row!.won;
  }

  async mark(): Promise<RelayMark> {
    await this.#query('insert_mark', 'insert into es_relay (name) values ($1) on conflict do nothing', [
      this.#name,
    ]);
    const [row] = await this.#query<{ js_seq: number; js_created: string | null }>(
      'mark',
      'select js_seq, js_created from es_relay where name = $1',
      [this.#name],
    );
    return { sequence: row!.js_seq, created: row!.js_created ?? undefined };
  }

  async setMark(sequence: number, created: string): Promise<void> {
    const text = 'update es_relay set js_seq = $2, js_created = $3 where name = $1';
    await this.#query('set_mark', text, [this.#name, sequence, created]);
  }

  /** The next events to publish, in order. */
  async pending(limit: number): Promise<PositionedEvent[]> {
    const rows = await this.#query<EventRow>('pending', pendingSql, [limit]);
    return rows.map((row) => ({ position: row.seq, event: eventOf(row) }));
  }

  /** What is not known to be published. */
  async backlog(): Promise<Backlog> {
    const [row] = await this.#query<{ rows: number; oldest_at: Date | null }>('backlog', backlogSql, []);
    return { rows: row!.rows, oldestAt: row!.oldest_at ?? undefined };
  }

  /** Forgets events that the JetStream stream acknowledged, the last of them at `sequence`. */
  async published(events: readonly PositionedEvent[], sequence: number): Promise<void> {
    if (events.length === 0) return;
    const positions = events.map((event) => event.position);
    await this.#query('published', publishedSql, [positions, sequence, this.#name]);
  }

  /** Forgets events that were found in the JetStream stream. */
  async known(ids: readonly string[]): Promise<void> {
    await this.#query('known', knownSql, [ids]);
  }

  /** Queues everything after the newest surviving messages again. `tail` is in stream order. Returns how many. */
  async requeue(tail: readonly string[]): Promise<number> {
    const newest = tail.slice(Math.floor(tail.length / 2));
    const { rowCount } = await this.#inTurn(() => this.#client.query(requeueSql, [newest, tail]));
    return rowCount ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#keepAlive);
    await this.#client.end().catch(() => {});
  }

  /** What is being asked keeps the session by itself. */
  #stayAlive(): void {
    if (this.#waiting === 0) void this.#inTurn(() => this.#client.query('select 1')).catch(() => {});
  }

  /** Every turn ends, also when Postgres is gone without a word: behind one that did not everything would wait for ever. */
  #inTurn<T>(send: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const asked = this.#last.then(() => answeredWithin(this.#client, answerWithinMs, send));
    const result = asked.finally(() => (this.#waiting -= 1));
    this.#last = result.catch(() => {});
    return result;
  }

  async #query<Row extends object>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    try {
      const send = () => this.#client.query<Row>({ name: `relay_${name}`, text, values });
      return (await this.#inTurn(send)).rows;
    } catch (error) {
      throw translateError(error);
    }
  }
}
