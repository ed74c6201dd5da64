import { compilePattern, isLiteral, isRegex, type Matcher } from '@postern/contracts';

/**
 * Values found by the patterns that match a text, without trying every pattern: literal patterns by one lookup, `prefix*`
 * patterns by one lookup per distinct prefix length, and only the rest one after the other.
 */
export class PatternIndex<T> {
  readonly #literal = new Map<string, T>();
  readonly #byPrefix = new Map<string, T>();
  #prefixLengths: number[] = [];
  readonly #others = new Map<string, { readonly matches: Matcher; readonly value: T }>();
  #any: T | undefined;

  /** The value kept for exactly this pattern, made on first use. */
  at(pattern: string, make: () => T): T {
    const found = this.#exactly(pattern);
    if (found !== undefined) return found;
    const value = make();
    this.#put(pattern, value);
    return value;
  }

  /** Whether some pattern that matches the text has a value that passes. */
  some(text: string, passes: (value: T) => boolean): boolean {
    if (this.#any !== undefined && passes(this.#any)) return true;
    const literal = this.#literal.get(text);
    if (literal !== undefined && passes(literal)) return true;
    return this.#somePrefix(text, passes) || this.#someOther(text, passes);
  }

  /** As `some`, for patterns that say so themselves and not by matching: the literal one and `*`. */
  someVerbatim(pattern: string, passes: (value: T) => boolean): boolean {
    if (this.#any !== undefined && passes(this.#any)) return true;
    const literal = this.#literal.get(pattern);
    return literal !== undefined && passes(literal);
  }

  #exactly(pattern: string): T | undefined {
    if (pattern === '*') return this.#any;
    if (isLiteral(pattern)) return this.#literal.get(pattern);
    return isPrefix(pattern) ? this.#byPrefix.get(pattern.slice(0, -1)) : this.#others.get(pattern)?.value;
  }

  #put(pattern: string, value: T): void {
    if (pattern === '*') this.#any = value;
    else if (isLiteral(pattern)) this.#literal.set(pattern, value);
    else if (isPrefix(pattern)) {
      this.#byPrefix.set(pattern.slice(0, -1), value);
      this.#prefixLengths = [...new Set([...this.#prefixLengths, pattern.length - 1])];
    } else this.#others.set(pattern, { matches: compilePattern(pattern), value });
  }

  #somePrefix(text: string, passes: (value: T) => boolean): boolean {
    for (const length of this.#prefixLengths) {
      if (length > text.length) continue;
      const value = this.#byPrefix.get(text.slice(0, length));
      if (value !== undefined && passes(value)) return true;
    }
    return false;
  }

  #someOther(text: string, passes: (value: T) => boolean): boolean {
    for (const { matches, value } of this.#others.values()) {
      if (matches(text) && passes(value)) return true;
    }
    return false;
  }
}

function isPrefix(pattern: string): boolean {
  return !isRegex(pattern) && pattern.indexOf('*') === pattern.length - 1;
}
