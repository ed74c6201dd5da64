import type { Api } from '@postern/client';

/** A joined process, as the inventory describes it. */
export type Agent = Awaited<ReturnType<Api['inventory']['agents']>>[number];

/** What a table shows for a fact that is not known. */
export function orNone(value: string): string {
  return value || 'none';
}
