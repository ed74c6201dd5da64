import { InvalidRequest } from '@postern/http';

const defaultLimit = 100;
const maxLimit = 1000;

/** How many changes to show, as a query says it. */
export function limitOf(text: string | undefined): number {
  return text === undefined ? defaultLimit : Math.min(Number(text), maxLimit);
}

/** A time in a query. */
export function timeOf(name: string, text: string): Date {
  const at = new Date(/^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(text) ? text : Number.NaN);
  if (Number.isNaN(at.getTime())) throw InvalidRequest(`${name} must be a time like 2026-01-31T12:00:00Z`);
  return at;
}
