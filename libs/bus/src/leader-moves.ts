/** A JetStream stream with several copies, as its leader sees it. */
export interface LedStream {
  readonly name: string;
  /** The server that leads it. */
  readonly leader: string;
  /** The other servers that have a copy and could lead it as well: there, and not behind. */
  readonly ready: readonly string[];
}

/** A stream that another server should lead. */
export interface LeaderMove {
  readonly stream: string;
  readonly to: string;
}

/**
 * What to move so that no server leads two streams more than another that could lead one of them. As few as possible: while a
 * leader changes, what is sent to it may go unanswered.
 */
export function leaderMoves(streams: readonly LedStream[]): LeaderMove[] {
  const led = new Map<string, number>();
  const count = (server: string, by: number) => led.set(server, (led.get(server) ?? 0) + by);
  for (const { leader } of streams) count(leader, 1);
  const moves: LeaderMove[] = [];
  for (const { name, leader, ready } of streams) {
    const [to] = ready.toSorted((a, b) => (led.get(a) ?? 0) - (led.get(b) ?? 0) || a.localeCompare(b));
    if (to === undefined || (led.get(leader) ?? 0) - (led.get(to) ?? 0) < 2) continue;
    count(leader, -1);
    count(to, 1);
    moves.push({ stream: name, to });
  }
  return moves;
}
