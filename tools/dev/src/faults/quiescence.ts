import { until, type SeparateStack } from '@postern/testkit';
import { contexts, openCheckedStore } from './stores.ts';

/** A durable consumer as the monitoring of NATS shows it. */
interface ConsumerState {
  readonly stream_name: string;
  readonly name: string;
  readonly num_pending: number;
  readonly num_ack_pending: number;
}

/** Waits until nothing is on its way any more: every process ready, every outbox empty, every consumer at the end. */
export async function untilQuiet(stack: SeparateStack, withinMs: number): Promise<void> {
  const end = performance.now() + withinMs;
  const left = () => ({ withinMs: Math.max(1, end - performance.now()), everyMs: 100 });
  for (const name of stack.processNames) await until(`${name} is ready`, () => stack.isReady(name), left());
  for (const context of contexts) {
    await using store = await openCheckedStore(stack.postgres.url, context);
    const outbox = async () => {
      const rows = await store.db.selectFrom('es_outbox').selectAll().execute();
      if (rows.length > 0) throw new Error(`${rows.length} events wait in the outbox of ${context}`);
      return true;
    };
    await until(`the outbox of ${context} is empty`, outbox, left());
  }
  await until('every consumer is at the end', () => noneBehind(stack), left());
}

/** Sentences on what is parked. */
export async function parkedMessages(postgresUrl: string): Promise<string[]> {
  const found: string[] = [];
  for (const context of contexts) {
    await using store = await openCheckedStore(postgresUrl, context);
    const rows = await store.db.selectFrom('es_parked').select(['consumer', 'error']).execute();
    found.push(...rows.map(({ consumer, error }) => `parked by ${consumer}: ${error}`));
  }
  return found;
}

async function noneBehind(stack: SeparateStack): Promise<true> {
  const consumers = await consumerStates(stack);
  if (consumers.length === 0) throw new Error('NATS shows no consumer');
  const behind = consumers.filter((consumer) => consumer.num_pending > 0 || consumer.num_ack_pending > 0);
  if (behind.length === 0) return true;
  throw new Error(
    behind
      .map(
        (one) =>
          `${one.stream_name} ${one.name}: ${one.num_pending} pending, ${one.num_ack_pending} unacknowledged`,
      )
      .join('; '),
  );
}

/** Of a cluster each node shows the consumers that it has; those of their leader are the newest. */
async function consumerStates({ servers }: SeparateStack): Promise<ConsumerState[]> {
  const pages = await Promise.all(servers.nats.monitorUrls().map(consumersAt));
  return pages.flat();
}

async function consumersAt(monitorUrl: string): Promise<ConsumerState[]> {
  const answer = await fetch(`${monitorUrl}/jsz?consumers=true&leader_only=false`, {
    signal: AbortSignal.timeout(5000),
  });
  const body = (await answer.json()) as {
    account_details?: {
      stream_detail?: { name: string; consumer_detail?: Omit<ConsumerState, 'stream_name'>[] }[];
    }[];
  };
  return (body.account_details ?? []).flatMap(({ stream_detail: streams = [] }) =>
    streams.flatMap(({ name, consumer_detail: consumers = [] }) =>
      consumers.map((consumer) => ({ ...consumer, stream_name: name })),
    ),
  );
}
