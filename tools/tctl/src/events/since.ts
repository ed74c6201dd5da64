import { failure, parseDuration } from '@postern/core';

const InvalidSince = failure(
  'invalid_argument',
  'tctl.invalid_since',
  (text: string) =>
    `invalid time ${JSON.stringify(text.slice(0, 40))}: write how long ago (90s, 30m, 2h) or when (2026-01-31T12:00:00Z)`,
);

/** The time that a person means: how long ago, or when. RFC 3339, UTC. */
export function sinceOf(text: string, now: Date): string {
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const at = new Date(text);
    if (Number.isNaN(at.getTime())) throw InvalidSince(text);
    return at.toISOString();
  }
  return new Date(now.getTime() - Math.abs(durationOf(text))).toISOString();
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw InvalidSince.from(error, text);
  }
}
