import { AckPolicy, JetStreamApiError } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { workConsumer, workGroupSubjects, workSubject } from '@postern/contracts';
import { failure, isPlainObject, parseJson } from '@postern/core';
import type { Bus } from './bus.ts';
import type { Connection } from './connection.ts';
import { JetStreamRefused, NoResponder } from './failures.ts';
import { workStream } from './streams.ts';

/** The JetStream stream of tasks holds as much as it may: members do less than they offer. */
export const WorkQueueFull = failure(
  'resource_exhausted',
  'bus.work_queue_full',
  () => 'too many tasks wait in the work queue; try again when some are done',
);

/** Which task it is, and of which time slot. */
export interface QueuedTask {
  readonly group: string;
  /** Milliseconds since 1970 at which the slot begins. */
  readonly slot: number;
  readonly task: string;
}

/** A task as JetStream delivered it. */
export interface PulledTask extends QueuedTask {
  /** Where JetStream hears of it again. It never leaves the services: who knows it may end anybody's task. */
  readonly ack: string;
}

/** How a group's tasks are delivered. */
export interface WorkQueueOptions {
  /** A task of which nothing was heard for so long is delivered again. */
  readonly ackWaitMs: number;
}

const { name: stream } = workStream();
const answerMs = 5_000;
const nanos = (ms: number) => Math.round(ms * 1_000_000);
/** A consumer that nobody pulls from for so long is removed by the server; the next pull makes it again. */
const idleConsumerMs = 24 * 3_600_000;

/** Opens the queue of tasks that groups share. */
export function openWorkQueue(bus: Bus, options: WorkQueueOptions): WorkQueue {
  return new WorkQueue(bus.connection, options);
}

/**
 * Tasks of time slots, delivered to one member of their group after the other until one is done. JetStream's part is to hold,
 * to wait and to deliver again; whether a delivery still counts is for those who record it.
 */
export class WorkQueue {
  readonly #connection: Connection;
  readonly #options: WorkQueueOptions;
  readonly #made = new Set<string>();

  constructor(connection: Connection, options: WorkQueueOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Queues a task; false when it is there already. */
  async put(queued: QueuedTask): Promise<boolean> {
    const subject = workSubject(queued);
    const { jetstream } = this.#connection;
    return this.#connection.answered(subject, async () => {
      try {
        await jetstream.publish(subject, JSON.stringify(queued), { timeout: answerMs });
        return true;
      } catch (error) {
        if (isThereAlready(error)) return false;
        throw isFull(error) ? WorkQueueFull.from(error) : error;
      }
    });
  }

  /** The next task of a group, waited for at most so long. */
  async pull(group: string, waitMs: number): Promise<PulledTask | undefined> {
    if (!this.#made.has(group)) await this.#makeConsumer(group);
    try {
      return await this.#pull(group, waitMs);
    } catch (error) {
      // Also how the server answers for a consumer that is not there.
      if (!NoResponder.is(error)) throw error;
      await this.#makeConsumer(group);
      return this.#pull(group, waitMs);
    }
  }

  /** The task was heard of: JetStream waits the whole time once more. */
  extend(ack: string): void {
    this.#tell(ack, '+WPI');
  }

  /** The task is over and leaves the queue. */
  async finish(ack: string): Promise<void> {
    const { nats } = this.#connection;
    await this.#connection.answered(ack, () => nats.request(checkAck(ack), '+ACK', { timeout: answerMs }));
  }

  /** The task is to be delivered again after a while. */
  again(ack: string, afterMs: number): void {
    this.#tell(ack, `-NAK ${JSON.stringify({ delay: nanos(Math.max(1, afterMs)) })}`);
  }

  #tell(ack: string, what: string): void {
    if (this.#connection.isConnected) this.#connection.nats.publish(checkAck(ack), what);
  }

  async #pull(group: string, waitMs: number): Promise<PulledTask | undefined> {
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${workConsumer(group)}`;
    const wanted = waitMs > 0 ? { batch: 1, expires: nanos(waitMs) } : { batch: 1, no_wait: true };
    // What answers is the task's own message: its subject is not the inbox by which shared answers are told apart.
    const options = { noMux: true, timeout: waitMs + answerMs };
    const answer = await this.#connection.answered(subject, () =>
      this.#connection.nats.request(subject, JSON.stringify(wanted), options),
    );
    return readTask(answer);
  }

  async #makeConsumer(group: string): Promise<void> {
    const manager = await this.#connection.manager();
    await this.#connection.answered(stream, () =>
      manager.consumers.add(stream, {
        durable_name: workConsumer(group),
        filter_subject: workGroupSubjects(group),
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(this.#options.ackWaitMs),
        // How often a task may be tried is decided by its record, which survives the queue.
        max_deliver: -1,
        inactive_threshold: nanos(idleConsumerMs),
      }),
    );
    this.#made.add(group);
  }
}

/** The task in an answer to a pull; nothing when the answer is a status: nothing came, or the server is leaving. */
function readTask(answer: Msg): PulledTask | undefined {
  if (answer.headers !== undefined && answer.headers.code >= 400) return undefined;
  const queued: unknown = parseJson(answer.string());
  const { group, slot, task } = isPlainObject(queued) ? queued : {};
  if (typeof group !== 'string' || typeof slot !== 'number' || typeof task !== 'string')
    throw JetStreamRefused(stream, 'a message in it is no task');
  return { group, slot, task, ack: checkAck(answer.reply ?? '') };
}

/** Only what JetStream itself named for a task of ours: we may publish where whoever else names a subject may not. */
function checkAck(ack: string): string {
  const [js, verb, ...rest] = ack.split('.');
  // Later servers put a domain and the hash of the account in front.
  const isOurs = js === '$JS' && verb === 'ACK' && (rest[0] === stream || rest[2] === stream);
  if (!isOurs || /[*>\s]/.test(ack)) throw JetStreamRefused(stream, 'it named no place for acknowledgements');
  return ack;
}

function isThereAlready(error: unknown): boolean {
  return isStoreFailure(error, 'maximum messages per subject');
}

function isFull(error: unknown): boolean {
  return isStoreFailure(error, 'maximum bytes') || isStoreFailure(error, 'maximum messages');
}

/** One code of the server's stands for everything that kept it from storing a message; its text tells which. */
function isStoreFailure(error: unknown, what: string): boolean {
  return error instanceof JetStreamApiError && error.message.startsWith(what);
}
