import type { Bus } from '@postern/bus';
import {
  agentSubjects,
  type WorkDelivery,
  type WorkOffer,
  type WorkOfferReply,
  type WorkSettle,
  type WorkStatus,
  type WorkTakeReply,
} from '@postern/contracts';
import type { ServerTime } from './server-time.ts';

/** The bus has to bring the answer within this time beyond what was asked to be waited, in milliseconds. */
const answerMs = 5_000;

/** Asks the broker in the name of one agent. */
export class BrokerClient {
  readonly #bus: Bus;
  readonly #agentId: string;
  readonly #time: ServerTime;

  constructor(bus: Bus, agentId: string, time: ServerTime) {
    this.#bus = bus;
    this.#agentId = agentId;
    this.#time = time;
  }

  offer(offer: WorkOffer): Promise<WorkOfferReply> {
    return this.#timed(() => this.#ask('workOffer', offer) as Promise<WorkOfferReply>);
  }

  /** Who waits for a task does not know when it was answered, so this tells no time. */
  async take(group: string, waitMs: number): Promise<WorkTakeReply> {
    return (await this.#ask('workTake', { group, waitMs }, waitMs)) as WorkTakeReply;
  }

  async extend(delivery: WorkDelivery): Promise<void> {
    await this.#ask('workExtend', delivery);
  }

  async settle(settlement: WorkSettle): Promise<void> {
    await this.#ask('workSettle', settlement);
  }

  status(group: string): Promise<WorkStatus> {
    return this.#timed(() => this.#ask('workStatus', { group }) as Promise<unknown> as Promise<WorkStatus>);
  }

  #ask(
    name: 'workOffer' | 'workTake' | 'workExtend' | 'workSettle' | 'workStatus',
    body: unknown,
    waitMs = 0,
  ) {
    return this.#bus.request(agentSubjects[name](this.#agentId), body, { timeoutMs: waitMs + answerMs });
  }

  async #timed<T extends { readonly now: number }>(ask: () => Promise<T>): Promise<T> {
    const askedAt = this.#time.mark();
    const reply = await ask();
    this.#time.heard(reply.now, askedAt);
    return reply;
  }
}
