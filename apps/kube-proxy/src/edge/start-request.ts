import type { InFlight } from '../agent/serve.ts';
import { ClientLeft } from '../forward/answers.ts';
import type { OpenRequests } from '../streams/open-requests.ts';
import type { TrackedRequest } from './tracked-request.ts';

/** A request that was decided and is registered, ready to be sent. */
export interface Starting {
  readonly tracked: TrackedRequest;
  /** Whether the client has left. */
  readonly isGone: () => boolean;
  readonly begin: () => InFlight | Promise<InFlight>;
  readonly refuse: (error: unknown) => void;
}

/** Sends a request, at once or when its record is on disk, unless it was cut or its client has left meanwhile. */
export function startRequest(
  open: OpenRequests,
  { tracked, isGone, begin, refuse }: Starting,
  recorded: Promise<void> | undefined,
): void {
  const giveUp = (error: unknown) => {
    open.remove(tracked);
    refuse(error);
  };
  const send = () => {
    try {
      if (tracked.cutBy) throw tracked.cutBy;
      if (isGone()) throw ClientLeft();
      const flight = begin();
      if (flight instanceof Promise) flight.then((begun) => tracked.began(begun), giveUp);
      else tracked.began(flight);
    } catch (error) {
      giveUp(error);
    }
  };
  if (recorded) recorded.then(send, giveUp);
  else send();
}
