import type { ChangesReply, ResourceChange } from '@postern/client';
import { failure } from '@postern/core';

const InvalidLimit = failure(
  'invalid_argument',
  'tctl.invalid_limit',
  (text: string) =>
    `invalid limit ${JSON.stringify(text.slice(0, 20))}: write how many changes to show, from 1 to 100000`,
);

const pageSize = 1000;

/** The number that `--limit` means. */
export function limitOf(text: string): number {
  const limit = Number(text);
  if (!/^\d{1,6}$/.test(text) || limit < 1 || limit > 100_000) throw InvalidLimit(text);
  return limit;
}

/** Changes from as many pages as it takes. `hasMore`: there are older ones. */
export async function collect(
  limit: number,
  page: (range: { readonly limit: string; readonly before?: string }) => Promise<ChangesReply>,
): Promise<{ readonly changes: readonly ResourceChange[]; readonly hasMore: boolean }> {
  const changes: ResourceChange[] = [];
  let next = '';
  do {
    const missing = Math.min(limit - changes.length, pageSize);
    const reply = await page({ limit: String(missing), ...(next === '' ? {} : { before: next }) });
    changes.push(...reply.changes);
    next = reply.next;
  } while (next !== '' && changes.length < limit);
  return { changes, hasMore: next !== '' };
}
