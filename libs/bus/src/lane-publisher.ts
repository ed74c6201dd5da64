import { partitionOf } from '@postern/contracts';
import { subjectsInLanes } from './fact-lanes.ts';

/** Asks a JetStream stream to keep a message and answers when it does. */
export type Attempt<Ack> = (subject: string, timeoutMs: number) => Promise<Ack>;

/** Told when messages go on to another lane than the one they went to first. */
export type LaneChange = (from: string, to: string) => void;

/** How long a lane may take before the others are asked too, and how long the last asked may take, in milliseconds. */
export interface LanePatience {
  readonly ownMs: number;
  readonly lastMs: number;
}

// A stream whose leader died has none for 4 to 9 s. What is slow only for the moment is kept twice then, and recorded once.
const defaultPatience: LanePatience = { ownMs: 1500, lastMs: 2000 };

/**
 * Publishes what several JetStream streams may keep. A message goes to the lane that kept the one before it; where that one says
 * nothing in time, or refuses, to all the others at once under the same message id. So a message may lie in more than one, and
 * whoever reads them has to know it by its content.
 */
export class LanePublisher {
  readonly #patience: LanePatience;
  readonly #onChange: LaneChange;
  #lane: number | undefined;

  constructor(onChange: LaneChange, patience: LanePatience = defaultPatience) {
    this.#onChange = onChange;
    this.#patience = patience;
  }

  /** The acknowledgement of the first that kept it; when none does, the failure of the first that was asked. */
  async publish<Ack>(subject: string, attempt: Attempt<Ack>): Promise<Ack> {
    const subjects = subjectsInLanes(subject);
    const { ownMs, lastMs } = this.#patience;
    if (subjects.length === 1) return attempt(subject, lastMs);
    const first = this.#lane ?? Number(partitionOf(subject)) % subjects.length;
    const keptIn = async (lane: number, timeoutMs: number) => ({
      lane,
      ack: await attempt(subjects[lane]!, timeoutMs),
    });
    const own = keptIn(first, ownMs + lastMs);
    const others = [...subjects.keys()].filter((lane) => lane !== first);
    const kept = (await isKept(own, ownMs))
      ? await own
      : await Promise.any([own, ...others.map((lane) => keptIn(lane, lastMs))]).catch(() => own);
    if (kept.lane !== first) this.#onChange(subjects[first]!, subjects[kept.lane]!);
    this.#lane = kept.lane;
    return kept.ack;
  }
}

/** Whether it succeeds in time. */
async function isKept(work: Promise<unknown>, withinMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, withinMs, false);
  const settled = work.then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}
