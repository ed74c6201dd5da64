import { compilePattern, isLiteral, isRegex, type Matcher } from '@postern/contracts';

/**
 * Values found by the patterns that match a text, without trying every pattern. A literal pattern costs one lookup. Any other
 * is filed under the literal text that what it matches begins with, or else ends with, so that a text meets only patterns
 * that could fit it: one lookup for each distinct length of such a text. Only patterns with neither are tried one by one.
 */
export class PatternIndex<T> {
  readonly #literal = new Map<string, T>();
  readonly #byStart = new Shelf<T>((text, length) => text.slice(0, length));
  readonly #byEnd = new Shelf<T>((text, length) => text.slice(text.length - length));
  readonly #others = new Map<string, Filed<T>>();
  #any: T | undefined;

  /** Whether some patterns can only be tried one by one. */
  get isSlow(): boolean {
    return this.#others.size > 0;
  }

  /** The value kept for exactly this pattern, made on first use. */
  at(pattern: string, make: () => T): T {
    if (pattern === '*') return (this.#any ??= make());
    if (isLiteral(pattern)) return getOrMake(this.#literal, pattern, make);
    const start = startOf(pattern);
    if (start !== '') return this.#byStart.at(start, pattern, make);
    const end = endOf(pattern);
    if (end !== '') return this.#byEnd.at(end, pattern, make);
    return getOrMake(this.#others, pattern, () => newFiled(pattern, make())).value;
  }

  /** Whether some pattern that matches the text has a value that passes. */
  some(text: string, passes: (value: T) => boolean): boolean {
    if (this.someVerbatim(text, passes)) return true;
    if (this.#byStart.some(text, passes) || this.#byEnd.some(text, passes)) return true;
    for (const filed of this.#others.values()) {
      if (filed.matches(text) && passes(filed.value)) return true;
    }
    return false;
  }

  /** As `some`, for patterns that say so themselves and not by matching: the literal one and `*`. */
  someVerbatim(pattern: string, passes: (value: T) => boolean): boolean {
    if (this.#any !== undefined && passes(this.#any)) return true;
    const literal = this.#literal.get(pattern);
    return literal !== undefined && passes(literal);
  }
}

interface Filed<T> {
  readonly value: T;
  readonly matches: Matcher;
}

/** Compiling a regular expression costs as much as a thousand lookups, so it waits until a text comes near it. */
function newFiled<T>(pattern: string, value: T): Filed<T> {
  let matcher: Matcher | undefined;
  return { value, matches: (text) => (matcher ??= compilePattern(pattern))(text) };
}

/** Patterns by a literal part of what they match, which `partOf` cuts out of a text. */
class Shelf<T> {
  readonly #partOf: (text: string, length: number) => string;
  /** Of patterns that are the part and a `*`, and so match whatever has the part. */
  readonly #whole = new Map<string, T>();
  readonly #more = new Map<string, Map<string, Filed<T>>>();
  readonly #lengths = new Set<number>();

  constructor(partOf: (text: string, length: number) => string) {
    this.#partOf = partOf;
  }

  at(part: string, pattern: string, make: () => T): T {
    this.#lengths.add(part.length);
    if (part.length === pattern.length - 1 && !isRegex(pattern)) return getOrMake(this.#whole, part, make);
    const patterns = getOrMake(this.#more, part, () => new Map<string, Filed<T>>());
    return getOrMake(patterns, pattern, () => newFiled(pattern, make())).value;
  }

  some(text: string, passes: (value: T) => boolean): boolean {
    for (const length of this.#lengths) {
      if (length <= text.length && this.#someAt(this.#partOf(text, length), text, passes)) return true;
    }
    return false;
  }

  #someAt(part: string, text: string, passes: (value: T) => boolean): boolean {
    const whole = this.#whole.get(part);
    if (whole !== undefined && passes(whole)) return true;
    const patterns = this.#more.get(part);
    if (!patterns) return false;
    for (const { matches, value } of patterns.values()) {
      if (matches(text) && passes(value)) return true;
    }
    return false;
  }
}

function getOrMake<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** The literal text that everything begins with that the pattern matches. */
function startOf(pattern: string): string {
  return isRegex(pattern) ? literalStartOf(pattern) : pattern.slice(0, pattern.indexOf('*'));
}

/** The same for the end. */
function endOf(pattern: string): string {
  return isRegex(pattern) ? '' : pattern.slice(pattern.lastIndexOf('*') + 1);
}

/** Letters, digits and dashes right behind the `^`, unless the regular expression is an alternative to something else. */
function literalStartOf(regex: string): string {
  if (regex.includes('|')) return '';
  const [, plain = '', next = ''] = /^\^([A-Za-z0-9-]*)(.?)/su.exec(regex) ?? [];
  // What may be repeated or left out is not sure to be there.
  return /^[?*+{]$/.test(next) ? plain.slice(0, -1) : plain;
}
