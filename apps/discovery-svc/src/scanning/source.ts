import type { EksAs } from '@postern/aws';
import type { AwsMatcher } from '@postern/config';
import { canonicalJson, sha256Hex } from '@postern/core';

/** What one scan looks at: an account in a region, through one matcher. */
export interface Source {
  readonly as: EksAs;
  readonly matcher: AwsMatcher;
  /** Which matcher, in few letters: the same wherever what it selects is the same. */
  readonly matcherKey: string;
}

/** A matcher as what it selects by. How the account is reached is not among it: another role finds the same clusters. */
export function matcherKeyOf({ tags }: Pick<AwsMatcher, 'tags'>): string {
  const sorted = Object.entries(tags).map(([key, patterns]) => [key, patterns.toSorted()] as const);
  return sha256Hex(canonicalJson(Object.fromEntries(sorted))).slice(0, 16);
}

/** The task of a slot in which a source is scanned. Equal names are equal work, whoever offers them. */
export function taskOf({ as, matcherKey }: Pick<Source, 'as' | 'matcherKey'>): string {
  return `eks/${as.account}/${as.region}/${matcherKey}`;
}
