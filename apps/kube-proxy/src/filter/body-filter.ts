import { failure } from '@postern/core';

/** An answer to be filtered that is not what a Kubernetes API server sends. Nothing of it may pass unread. */
export const UnreadableAnswer = failure(
  'unavailable',
  'kube.unreadable_answer',
  (why: string) => `the API server's answer could not be filtered: ${why}`,
);

/** Passes on the parts of an answer that its reader may see. */
export interface BodyFilter {
  push(chunk: Buffer): Buffer | undefined;
  /** Ends the answer; throws when it is incomplete. */
  end(): Buffer | undefined;
}

/** Whether the user may see an object of the listed resource. `namespace` is empty for cluster-scoped objects. */
export type MaySee = (namespace: string, name: string) => boolean;

/** What a filter of a list works with. */
export interface ListRules {
  readonly maySee: MaySee;
  /** Makes of the API server's token for the next page, which names an object, one that tells nothing. */
  readonly sealContinue: (token: string) => string;
}

/** An object, event or head that is longer than this is not held in memory to be read. */
export const maxHeldBytes = 32 * 1024 * 1024;
