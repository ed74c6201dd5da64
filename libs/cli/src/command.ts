import type { CliContext } from './context.ts';

/** A flag of a command. `T` is what `run` receives. */
export interface Flag<T> {
  /** As in help: `-f, --format <name>`; a flag without a value placeholder is a switch. */
  readonly syntax: string;
  readonly summary: string;
  readonly initial: T;
  readonly isRequired: boolean;
  /** Repeatable, and each value may be a comma-separated list. */
  readonly isList: boolean;
  readonly isHidden: boolean;
}

/** A positional argument of a command. */
export interface Argument<T> {
  readonly summary: string;
  readonly shape: 'required' | 'optional' | 'rest';
  /** Carries the type only. */
  readonly as?: T;
}

/** A command as it is declared: parsing, help and the types of `run` follow from it. */
export interface CommandSpec<A extends Arguments = Arguments, F extends Flags = Flags> {
  /** The words that call it: `tokens add`. */
  readonly name: string;
  /** Other last words that call it: `del` for `rm`. */
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly isHidden?: boolean;
  readonly args: A;
  readonly flags: F;
  run(context: CliContext, input: Input<A, F>): Promise<void> | void;
}

/** Any command, its types forgotten: what lists hold. */
export interface Command extends Omit<CommandSpec, 'run'> {
  run(context: CliContext, input: { readonly args: Values; readonly flags: Values }): Promise<void>;
}

/** The typed values a command runs with. */
export interface Input<A extends Arguments, F extends Flags> {
  readonly args: { readonly [K in keyof A]: A[K] extends Argument<infer T> ? T : never };
  readonly flags: { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };
}

type Arguments = Readonly<Record<string, Argument<unknown>>>;
type Flags = Readonly<Record<string, Flag<unknown>>>;
type Values = Readonly<Record<string, unknown>>;

/** Declares a command. */
export function command<const A extends Arguments, const F extends Flags>(spec: CommandSpec<A, F>): Command {
  return {
    ...spec,
    run: async (context, input) => spec.run(context, input as Input<A, F>),
  };
}

/** An argument that must be given. */
export function required(summary: string): Argument<string> {
  return { summary, shape: 'required' };
}

/** An argument that may be left out. */
export function optional(summary: string): Argument<string | undefined> {
  return { summary, shape: 'optional' };
}

/** All remaining arguments. */
export function rest(summary: string): Argument<readonly string[]> {
  return { summary, shape: 'rest' };
}

const plain = { isRequired: false, isList: false, isHidden: false } as const;

/** A flag with a value that may be left out. */
export function text(syntax: string, summary: string): Flag<string | undefined> {
  return { ...plain, syntax, summary, initial: undefined };
}

/** A flag with a value that has a default. */
export function textOr(initial: string, syntax: string, summary: string): Flag<string> {
  return { ...plain, syntax, summary, initial };
}

/** A flag with a value that must be given. */
export function requiredText(syntax: string, summary: string): Flag<string> {
  return { ...plain, syntax, summary, initial: '', isRequired: true };
}

/** A flag without a value. */
export function on(syntax: string, summary: string): Flag<boolean> {
  return { ...plain, syntax, summary, initial: false };
}

/** A flag that may be repeated and whose values may be comma-separated; `undefined` when it was not given. */
export function list(syntax: string, summary: string): Flag<readonly string[] | undefined> {
  return { ...plain, syntax, summary, initial: undefined, isList: true };
}

/** The same flag, left out of help. */
export function hidden<T>(flag: Flag<T>): Flag<T> {
  return { ...flag, isHidden: true };
}
