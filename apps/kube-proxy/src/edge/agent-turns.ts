import type { RoutedAgent } from './routes.ts';

/** What an agent is asked with. */
export interface AgentTurn<A> {
  readonly agent: RoutedAgent;
  readonly attempt: A;
}

/** What is told of the turns. */
export interface TurnEvents {
  /** The request goes to this agent now. */
  via(agentId: string): void;
  /** It did not get there. */
  unreachable(agentId: string): void;
}

/** The agents that a request may go to, the best first. It counts as under way at the one whose turn it is. */
export class AgentTurns<A> {
  readonly #turns: readonly AgentTurn<A>[];
  readonly #events: TurnEvents;
  #at = 0;

  constructor(turns: readonly AgentTurn<A>[], events: TurnEvents) {
    this.#turns = turns;
    this.#events = events;
  }

  begin(): A {
    const { agent, attempt } = this.#current;
    agent.inFlight += 1;
    this.#events.via(agent.agentId);
    return attempt;
  }

  /** The next agent, and after the last one the first again: it may have opened another tunnel. */
  next(): A {
    this.#events.unreachable(this.#current.agent.agentId);
    this.end();
    this.#at = (this.#at + 1) % this.#turns.length;
    return this.begin();
  }

  end(): void {
    this.#current.agent.inFlight -= 1;
  }

  get #current(): AgentTurn<A> {
    return this.#turns[this.#at]!;
  }
}
