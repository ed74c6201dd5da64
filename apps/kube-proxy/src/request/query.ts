import { InvalidPath } from './target.ts';

/** Query parameters in the order they came. */
export type QueryPairs = readonly (readonly [key: string, value: string])[];

const maxPairs = 256;

/** Parses a query the way Go's `url.ParseQuery` does, except that what Go would skip as malformed is refused. */
export function parseQuery(query: string): QueryPairs {
  if (query === '') return [];
  const pairs = query
    .split('&')
    .filter((part) => part !== '')
    .map(parsePair);
  if (pairs.length > maxPairs) throw InvalidPath('it has too many query parameters');
  return pairs;
}

function parsePair(part: string): readonly [string, string] {
  const equals = part.indexOf('=');
  return equals < 0
    ? [unescape(part), '']
    : [unescape(part.slice(0, equals)), unescape(part.slice(equals + 1))];
}

function unescape(text: string): string {
  if (/^[A-Za-z0-9\-._~!$'()*,:@/=]*$/.test(text)) return text;
  // A raw semicolon is a separator to old servers and a syntax error to new ones; raw controls and non-ASCII are never sent.
  if (/[^\x21-\x7e]|[;#\\]/.test(text)) throw InvalidPath('its query has a character that must be escaped');
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw InvalidPath('its query has a bad percent escape');
  }
}

/** The first value of a parameter, which is the one Kubernetes reads. */
export function firstValue(pairs: QueryPairs, key: string): string | undefined {
  for (const pair of pairs) if (pair[0] === key) return pair[1];
  return undefined;
}

/** Writes pairs once, in their order, with every value escaped in one way. Empty without pairs. */
export function formatQuery(pairs: QueryPairs): string {
  if (pairs.length === 0) return '';
  let text = '';
  for (const [key, value] of pairs) text += `${text === '' ? '?' : '&'}${escape(key)}=${escape(value)}`;
  return text;
}

function escape(text: string): string {
  return /^[A-Za-z0-9\-._~]*$/.test(text) ? text : encodeURIComponent(text);
}
