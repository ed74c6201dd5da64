import type { EksAs } from '@postern/aws';
import type { AwsMatcher } from '@postern/config';

/** What one scan looks at: an account in a region, through one matcher. */
export interface Source {
  readonly as: EksAs;
  readonly matcher: AwsMatcher;
  /** Which matcher, in few letters: the same wherever what it selects is the same. */
  readonly matcherKey: string;
}

/** The task of a slot in which a source is scanned. Equal names are equal work, whoever offers them. */
export function taskOf({ as, matcherKey }: Pick<Source, 'as' | 'matcherKey'>): string {
  return `eks/${as.account}/${as.region}/${matcherKey}`;
}
