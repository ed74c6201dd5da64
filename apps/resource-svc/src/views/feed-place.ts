import type { DurableMessage } from '@postern/bus';

/** Where the feed of events stands: which stream, and the number of its last message. */
export interface FeedState {
  readonly created: string;
  readonly lastSequence: number;
}

/**
 * Notices messages that were handed to somebody else. The replicas share one consumer: one that is frozen may hold messages
 * until they are delivered again half a minute later, and what was delivered after them would be in the views before.
 */
export class FeedPlace {
  #created = '';
  #next = 1;

  /** What is in the feed up to here is known some other way. */
  startAt({ created, lastSequence }: FeedState): void {
    this.#created = created;
    this.#next = lastSequence + 1;
  }

  /** Whether something is missing between what came before and these. */
  isGapBefore(messages: readonly Pick<DurableMessage, 'sequence' | 'streamCreated'>[]): boolean {
    let isGap = false;
    for (const { sequence, streamCreated } of messages) {
      if (streamCreated !== this.#created) return true;
      isGap ||= sequence > this.#next;
      this.#next = Math.max(this.#next, sequence + 1);
    }
    return isGap;
  }
}
