/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** One variable: where its value comes from, what it may be and what it becomes. */
export interface Field<T> {
  readonly variable: string;
  /** What it is for, in one sentence for the documents. */
  readonly summary: string;
  /** The text that stands for an absent variable. */
  readonly fallback?: string;
  /** Its value is never repeated in a message. */
  readonly isSecret: boolean;
  readonly isOptional: boolean;
  /** The value of a text that is there. Throws an Error whose message says what is wrong with it. */
  parse(text: string): T;
}

/** How most fields are declared. */
export interface FieldOptions {
  readonly summary: string;
  readonly fallback?: string;
}

/** Declares a field from its parser. */
export function field<T>(
  variable: string,
  { summary, fallback, isSecret = false }: FieldOptions & { readonly isSecret?: boolean },
  parse: (text: string) => T,
): Field<T> {
  return {
    variable,
    summary,
    ...(fallback === undefined ? {} : { fallback }),
    isSecret,
    isOptional: false,
    parse,
  };
}

/** The same field, undefined where the variable is absent or empty. */
export function optional<T>(required: Field<T>): Field<T | undefined> {
  return { ...required, isOptional: true };
}
