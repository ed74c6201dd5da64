import { failure, messageOf } from '@postern/core';
import { RE2JS } from 're2js';

/** A text that is not a pattern: a regular expression that RE2 does not know, or one too large to run per request. */
export const InvalidPattern = failure(
  'invalid_argument',
  'contracts.invalid_pattern',
  (pattern: string, why: string) => `invalid pattern ${JSON.stringify(pattern.slice(0, 100))}: ${why}`,
);

/** Whether a text fits a pattern as a whole. */
export type Matcher = (text: string) => boolean;

const maxPatternLength = 1024;
// RE2 runs in time proportional to program size × text; this bounds the constant. `^[a-z]{1,63}-\d{1,5}$` has about 80.
const maxProgramSize = 500;
const cacheSize = 2000;
const cache = new Map<string, Matcher>();

/**
 * The pattern language of labels, resource names and namespaces: text from `^` to `$` is a regular expression (RE2 syntax,
 * so matching takes linear time); in any other text `*` stands for any characters and everything else for itself.
 *
 * A pattern always has to fit the whole text. For `^a|b$` that means `a` or `b`: an unanchored search would let the
 * alternative `^a` fit everything that begins with an a.
 */
export function compilePattern(pattern: string): Matcher {
  const cached = cache.get(pattern);
  const matcher = cached ?? buildMatcher(pattern);
  // Re-inserting keeps the map ordered by use, so that its first key is the least recently used one.
  cache.delete(pattern);
  cache.set(pattern, matcher);
  if (cache.size > cacheSize) cache.delete(cache.keys().next().value!);
  return matcher;
}

/** Whether the text is a regular expression in the pattern language. */
export function isRegex(pattern: string): boolean {
  return pattern.length > 1 && pattern.startsWith('^') && pattern.endsWith('$');
}

/** Whether the pattern stands for exactly its own text. */
export function isLiteral(pattern: string): boolean {
  return !pattern.includes('*') && !isRegex(pattern);
}

/** A text as the part of a regular expression that stands for it alone. */
export function quoteRegex(text: string): string {
  return RE2JS.quote(text);
}

function buildMatcher(pattern: string): Matcher {
  if (pattern.length > maxPatternLength)
    throw InvalidPattern(pattern, `longer than ${maxPatternLength} characters`);
  if (isRegex(pattern)) return regexMatcher(pattern);
  return pattern.includes('*') ? globMatcher(pattern) : (text) => text === pattern;
}

function regexMatcher(pattern: string): Matcher {
  const regex = compileRegex(pattern);
  if (regex.programSize() > maxProgramSize)
    throw InvalidPattern(pattern, 'it is too large; use fewer repetitions');
  return (text) => regex.testExact(text);
}

/** RE2 itself, for patterns that are always regular expressions. */
export function compileRegex(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw InvalidPattern.from(error, pattern, messageOf(error));
  }
}

function globMatcher(pattern: string): Matcher {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop() ?? '';
  const middle = rest.filter((part) => part !== '');
  if (middle.length === 0) {
    const minLength = first.length + last.length;
    return (text) => text.length >= minLength && text.startsWith(first) && text.endsWith(last);
  }
  return (text) => {
    if (!text.startsWith(first)) return false;
    let at = first.length;
    for (const part of middle) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return text.length - last.length >= at && text.endsWith(last);
  };
}
