import { setImmediate } from 'node:timers/promises';
import { digestText, digestWith } from '@postern/contracts';

/** One change of a role, user or lock. */
export interface PolicyChange {
  readonly eventId: string;
  readonly kind: string;
  readonly id: string;
  readonly version: number;
  /** False for a deletion. */
  readonly isPresent: boolean;
  readonly at: Date;
}

/** Which moment to find. */
export interface WantedMoment {
  /** Digest of the roles, users and locks. Without it the moment is found by time alone. */
  readonly revision?: string | undefined;
  /** Without it: now. */
  readonly at?: Date | undefined;
}

/** The roles, users and locks of a moment. */
export interface PolicyMoment {
  readonly revision: string;
  readonly isExact: boolean;
  /** The last change that was in, and the first that was not. */
  readonly since: Date | undefined;
  readonly until: Date | undefined;
  /** The change that made a role or user what it was at that moment, if it was there. */
  current(kind: string, id: string): PolicyChange | undefined;
  /** The same of every resource of a kind that was there. */
  all(kind: string): PolicyChange[];
}

// How far a change may be behind others when an edge decides: it takes them as the bus brings them.
const lateWindow = 16;
const maxPlaces = 500;
const skewMs = 5 * 60_000;
const breathAfter = 1000;

/**
 * Finds the moment whose roles, users and locks have the wanted digest; or whose roles and users alone have it, since there
 * have been edges that knew of no locks. Changes are taken in the order of their recording; an edge may
 * have had them in a slightly different one, so where no place in that order fits, places with one or two late changes are
 * tried. Where none fits, the nearest by time stands in for it, and says so.
 */
export async function findMoment(
  changes: readonly PolicyChange[],
  { revision: text, at }: WantedMoment,
): Promise<PolicyMoment> {
  const walk = await Walk.through(changes);
  const last = placeAt(changes, at);
  if (text === undefined) return walk.moment(last, [], true);
  const revision = BigInt(`0x${text}`);
  const found = exactly(walk, { revision, last, at });
  if (found) return found;
  const unlocked = changes.filter(({ kind }) => kind !== 'lock');
  const older =
    unlocked.length < changes.length &&
    exactly(await Walk.through(unlocked), { revision, last: placeAt(unlocked, at), at });
  return older || walk.moment(last, [], false);
}

function placeAt(changes: readonly PolicyChange[], at: Date | undefined): number {
  return at === undefined ? changes.length : changes.findLastIndex((change) => change.at <= at) + 1;
}

interface Wanted {
  readonly revision: bigint;
  readonly last: number;
  readonly at: Date | undefined;
}

function exactly(walk: Walk, { revision, last, at }: Wanted): PolicyMoment | undefined {
  const exact = walk.placesOf(revision);
  // Equal digests are equal policies; which one it was only matters for the times that are told.
  const place = exact.findLast((each) => each <= last) ?? exact[0];
  if (place !== undefined) return walk.moment(place, [], true);
  return at && walk.withLateChanges(revision, at);
}

/** A place is how many changes are in. */
class Walk {
  readonly #changes: readonly PolicyChange[];
  readonly #digests: bigint[] = [0n];
  /** By change: the change of the same role or user before it. */
  readonly #before: (PolicyChange | undefined)[] = [];

  private constructor(changes: readonly PolicyChange[]) {
    this.#changes = changes;
  }

  static async through(changes: readonly PolicyChange[]): Promise<Walk> {
    const walk = new Walk(changes);
    const current = new Map<string, PolicyChange>();
    for (const [index, change] of changes.entries()) {
      const before = current.get(keyOf(change));
      walk.#before.push(before);
      current.set(keyOf(change), change);
      walk.#digests.push(replaced(walk.#digests.at(-1)!, before, change));
      // A long history is no reason to let everybody else wait.
      if (index % breathAfter === 0) await setImmediate();
    }
    return walk;
  }

  placesOf(revision: bigint): number[] {
    return this.#digests.flatMap((digest, place) => (digest === revision ? [place] : []));
  }

  withLateChanges(revision: bigint, at: Date): PolicyMoment | undefined {
    const end = this.#changes.findLastIndex((change) => change.at.getTime() <= at.getTime() + skewMs) + 1;
    for (let place = end; place > Math.max(0, end - maxPlaces); place -= 1) {
      const late = this.#lateAt(place, revision);
      if (late) return this.moment(place, late, true);
    }
    return undefined;
  }

  moment(place: number, late: readonly number[], isExact: boolean): PolicyMoment {
    const state = this.#stateAt(place, late);
    const digest = [...state.values()].reduce((sum, change) => replaced(sum, undefined, change), 0n);
    return {
      revision: digestText(digest),
      isExact,
      since: this.#changes[place - 1]?.at,
      until: this.#changes[late[0] ?? place]?.at,
      current: (kind, id) => {
        const change = state.get(`${kind}/${id}`);
        return change?.isPresent ? change : undefined;
      },
      all: (kind) => [...state.values()].filter((change) => change.isPresent && change.kind === kind),
    };
  }

  #lateAt(place: number, revision: bigint): readonly number[] | undefined {
    const digest = this.#digests[place]!;
    const window = Array.from({ length: Math.min(lateWindow, place) }, (_, at) => place - 1 - at);
    const without = new Map(window.map((index) => [index, this.#without(place, index)]));
    for (const [index, change] of without) {
      if ((digest ^ change) === revision) return [index];
      for (const [other, second] of without) {
        const isOfOne = keyOf(this.#changes[other]!) === keyOf(this.#changes[index]!);
        if (other < index && !isOfOne && (digest ^ change ^ second) === revision) return [other, index];
      }
    }
    return undefined;
  }

  /** What the digest changes by when a change, and those of the same role or user after it, are not in. */
  #without(place: number, index: number): bigint {
    const key = keyOf(this.#changes[index]!);
    const last = this.#changes.slice(index, place).findLast((change) => keyOf(change) === key);
    return replaced(0n, last, this.#before[index]);
  }

  #stateAt(place: number, late: readonly number[]): ReadonlyMap<string, PolicyChange> {
    const held = new Map(late.map((index) => [keyOf(this.#changes[index]!), index]));
    const state = new Map<string, PolicyChange>();
    for (const [index, change] of this.#changes.slice(0, place).entries()) {
      const from = held.get(keyOf(change));
      if (from === undefined || index < from) state.set(keyOf(change), change);
    }
    return state;
  }
}

function keyOf({ kind, id }: PolicyChange): string {
  return `${kind}/${id}`;
}

/** The digest after one change took the place of another; what is deleted does not count. */
function replaced(digest: bigint, before: PolicyChange | undefined, after: PolicyChange | undefined): bigint {
  return [before, after].reduce(
    (sum, change) =>
      change?.isPresent ? digestWith(sum, { kind: change.kind, id: change.id, rev: change.version }) : sum,
    digest,
  );
}
