import type { EventType, NewEvent, StoredEvent } from '@postern/contracts';

/**
 * An aggregate's rules, without clock, ids or I/O. `decide` returns no event when nothing changes and throws to refuse;
 * `evolve` is total, since a recorded fact is never refused.
 */
export interface Decider<State, Command, Event extends NewEvent = NewEvent> {
  readonly initial: State;
  decide(command: Command, state: State): readonly Event[];
  evolve(state: State, event: Event): State;
  /** The event types of the aggregate: with them, events of older versions reach `evolve` in the current one. */
  readonly events?: readonly EventType[];
}

/** The state after these recorded events. */
export function fold<State, Command, Event extends NewEvent>(
  decider: Decider<State, Command, Event>,
  events: readonly StoredEvent[],
  from: State = decider.initial,
): State {
  const types = new Map(decider.events?.map((type) => [type.type, type]));
  return events.reduce((state, stored) => {
    const type = types.get(stored.type);
    const data = type ? type.read(stored) : stored.data;
    return decider.evolve(state, { type: stored.type, v: type?.v ?? stored.v, data } as Event);
  }, from);
}
