import type { AppError } from '@postern/core';

const lexeme = /\s*(?:([A-Za-z_][A-Za-z0-9_-]*)|("(?:[^"\\]|\\.)*"|`[^`]*`)|(==|!=|&&|\|\||[!().,[\]]))/y;

interface Token {
  readonly type: 'name' | 'string' | 'symbol' | 'end';
  readonly text: string;
}

/** Reads the small expression languages of roles token by token. `refuse` makes the error of the language. */
export class Tokens {
  readonly refuse: (why: string) => AppError;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(source: string, refuse: (why: string) => AppError) {
    this.refuse = refuse;
    this.#tokens = this.#read(source.trim());
  }

  /** The next token if it is this symbol or name, consumed. */
  take(text: string): boolean {
    const token = this.#peek();
    if (token.type === 'string' || token.type === 'end' || token.text !== text) return false;
    this.#at += 1;
    return true;
  }

  /** Consumes exactly these symbols and names. */
  expect(...texts: string[]): void {
    for (const text of texts) {
      if (!this.take(text)) throw this.refuse(`expected ${text} before ${JSON.stringify(this.#peek().text)}`);
    }
  }

  /** Whether a quoted text comes next. */
  atString(): boolean {
    return this.#peek().type === 'string';
  }

  name(): string {
    return this.#next('name').text;
  }

  string(): string {
    return this.#next('string').text;
  }

  /** `.name` or `["any text"]`. */
  member(): string {
    if (this.take('.')) return this.name();
    this.expect('[');
    const text = this.string();
    this.expect(']');
    return text;
  }

  end(): void {
    this.#next('end');
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { type: 'end', text: '' };
  }

  #next(type: Token['type']): Token {
    const token = this.#peek();
    if (token.type !== type) throw this.refuse(`expected a ${type} at ${JSON.stringify(token.text)}`);
    this.#at += 1;
    return token;
  }

  #read(source: string): Token[] {
    const tokens: Token[] = [];
    let at = 0;
    while (at < source.length) {
      lexeme.lastIndex = at;
      const match = lexeme.exec(source);
      if (!match) throw this.refuse(`unexpected ${JSON.stringify(source.slice(at, at + 20))}`);
      const [, name, string, symbol] = match;
      if (string !== undefined) tokens.push({ type: 'string', text: this.#unquote(string) });
      else tokens.push(name === undefined ? { type: 'symbol', text: symbol! } : { type: 'name', text: name });
      at = lexeme.lastIndex;
    }
    return tokens;
  }

  #unquote(quoted: string): string {
    if (quoted.startsWith('`')) return quoted.slice(1, -1);
    try {
      return JSON.parse(quoted) as string;
    } catch {
      throw this.refuse(
        `${quoted.slice(0, 40)} has an unknown escape; write backslashes twice or use backquotes`,
      );
    }
  }
}
