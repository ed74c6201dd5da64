import type { ResourceMoment } from '@postern/client';
import { failure, isUuid, parseDuration } from '@postern/core';

const InvalidMoment = failure(
  'invalid_argument',
  'tctl.invalid_moment',
  (text: string) =>
    `invalid moment ${JSON.stringify(text.slice(0, 60))}: write a revision as tctl history shows it, a time ` +
    `(2026-01-31T12:00:00Z), a day (2026-01-31, its beginning in UTC), or how long ago (90s, 30m, 2h)`,
);

/** The moment that a person means: a revision, when, or how long ago. */
export function momentOf(text: string, now: Date): ResourceMoment {
  return isUuid(text.toLowerCase()) ? { revision: text.toLowerCase() } : { time: timeOf(text, now) };
}

/** The time that a person means, in RFC 3339, UTC. */
export function timeOf(text: string, now: Date): string {
  const isTime = /^\d{4}-\d\d-\d\d([Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d))?$/.test(text);
  const at = isTime ? new Date(text) : new Date(now.getTime() - ago(text));
  if (Number.isNaN(at.getTime())) throw InvalidMoment(text);
  return at.toISOString();
}

function ago(text: string): number {
  try {
    return Math.abs(parseDuration(text));
  } catch (error) {
    throw InvalidMoment.from(error, text);
  }
}
