import { failure } from '@postern/core';
import { compilePattern } from './pattern.ts';
import type { Traits } from './template.ts';
import { Tokens } from './tokens.ts';

/** A label expression that does not parse. */
export const InvalidExpression = failure(
  'invalid_argument',
  'contracts.invalid_expression',
  (text: string, why: string) => `invalid label expression ${JSON.stringify(text.slice(0, 100))}: ${why}`,
);

/** Whether a user may reach a target with these labels. Never throws. */
export type LabelExpression = (labels: Readonly<Record<string, string>>, traits: Traits) => boolean;

interface Scope {
  readonly labels: Readonly<Record<string, string>>;
  readonly traits: Traits;
}
type Condition = (scope: Scope) => boolean;
type Texts = (scope: Scope) => readonly string[];

/** A label or a quoted text is one text; a trait is a list of them. */
interface Operand {
  readonly isList: boolean;
  readonly texts: Texts;
}

/**
 * Compiles the predicate language of `kubernetes_labels_expression`: `labels["k"]` (empty text when absent),
 * `user.spec.traits["t"]`, quoted texts, `contains(list, text)`, `regexp.match(text or list, "pattern")`, `==`, `!=`, `&&`,
 * `||`, `!` and parentheses. Nothing else exists, so an expression can neither loop nor reach anything but its two inputs.
 */
export function compileLabelExpression(text: string): LabelExpression {
  if (text.length > 4096) throw InvalidExpression(text, 'longer than 4096 characters');
  const parser = new Parser(new Tokens(text, (why) => InvalidExpression(text, why)));
  const condition = parser.whole();
  return (labels, traits) => condition({ labels, traits });
}

class Parser {
  readonly #tokens: Tokens;
  #depth = 0;

  constructor(tokens: Tokens) {
    this.#tokens = tokens;
  }

  whole(): Condition {
    const condition = this.#either();
    this.#tokens.end();
    return condition;
  }

  #either(): Condition {
    const sides = [this.#both()];
    while (this.#tokens.take('||')) sides.push(this.#both());
    return sides.length === 1 ? sides[0]! : (scope) => sides.some((side) => side(scope));
  }

  #both(): Condition {
    const sides = [this.#not()];
    while (this.#tokens.take('&&')) sides.push(this.#not());
    return sides.length === 1 ? sides[0]! : (scope) => sides.every((side) => side(scope));
  }

  #not(): Condition {
    this.#depth += 1;
    if (this.#depth > 64) throw this.#tokens.refuse('it nests too deeply');
    const condition = this.#tokens.take('!') ? negated(this.#not()) : this.#single();
    this.#depth -= 1;
    return condition;
  }

  #single(): Condition {
    if (this.#tokens.take('(')) {
      const inner = this.#either();
      this.#tokens.expect(')');
      return inner;
    }
    if (this.#tokens.atString()) return this.#comparison(this.#literal());
    const name = this.#tokens.name();
    if (name === 'contains') return this.#contains();
    if (name === 'regexp') return this.#regexpMatch();
    return this.#comparison(this.#reference(name));
  }

  #comparison(left: Operand): Condition {
    const isNegated = this.#tokens.take('!=');
    if (!isNegated) this.#tokens.expect('==');
    const right = this.#operand();
    if (left.isList || right.isList) throw this.#tokens.refuse('a trait is a list: use contains(list, text)');
    const same: Condition = (scope) => left.texts(scope)[0] === right.texts(scope)[0];
    return isNegated ? negated(same) : same;
  }

  #contains(): Condition {
    this.#tokens.expect('(');
    const list = this.#operand();
    this.#tokens.expect(',');
    const item = this.#operand();
    this.#tokens.expect(')');
    if (!list.isList || item.isList) throw this.#tokens.refuse('contains takes a list and a text');
    return (scope) => list.texts(scope).includes(item.texts(scope)[0]!);
  }

  #regexpMatch(): Condition {
    this.#tokens.expect('.', 'match', '(');
    const operand = this.#operand();
    this.#tokens.expect(',');
    const matcher = compilePattern(this.#tokens.string());
    this.#tokens.expect(')');
    return (scope) => operand.texts(scope).some(matcher);
  }

  #operand(): Operand {
    return this.#tokens.atString() ? this.#literal() : this.#reference(this.#tokens.name());
  }

  #literal(): Operand {
    const texts = [this.#tokens.string()];
    return { isList: false, texts: () => texts };
  }

  #reference(name: string): Operand {
    if (name === 'labels') {
      const key = this.#tokens.member();
      return { isList: false, texts: ({ labels }) => [Object.hasOwn(labels, key) ? labels[key]! : ''] };
    }
    if (name !== 'user') throw this.#tokens.refuse(`${name} is unknown`);
    this.#tokens.expect('.', 'spec', '.', 'traits');
    const trait = this.#tokens.member();
    return { isList: true, texts: ({ traits }) => (Object.hasOwn(traits, trait) ? traits[trait]! : []) };
  }
}

function negated(condition: Condition): Condition {
  return (scope) => !condition(scope);
}
