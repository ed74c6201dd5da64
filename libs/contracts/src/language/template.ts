import { failure } from '@postern/core';
import { compileRegex } from './pattern.ts';
import { Tokens } from './tokens.ts';

/** A `{{…}}` that is not in the template language. */
export const InvalidTemplate = failure(
  'invalid_argument',
  'contracts.invalid_template',
  (template: string, why: string) => `invalid template ${JSON.stringify(template.slice(0, 100))}: ${why}`,
);

/** Values by trait name. */
export type Traits = Readonly<Record<string, readonly string[]>>;

/** A text with one `{{expression}}` in it: what stands before and after, and the values the expression has for a user. */
export interface Template {
  readonly prefix: string;
  readonly suffix: string;
  /** One value per trait value, in order; none when the trait is missing. */
  values(traits: Traits): string[];
}

type Values = (traits: Traits) => readonly string[];

const internalTraits = new Set([
  'logins',
  'windows_logins',
  'kubernetes_users',
  'kubernetes_groups',
  'db_users',
  'db_names',
  'db_roles',
  'aws_role_arns',
  'azure_identities',
  'gcp_service_accounts',
  'jwt',
  'host_user_uid',
  'host_user_gid',
  'github_orgs',
]);

const maxValueLength = 1024;

/** Whether a text holds a template. A lone `}}` counts too, so that a half-written one is refused. */
export function isTemplate(text: string): boolean {
  return text.includes('{{') || text.includes('}}');
}

/**
 * Parses `prefix{{expression}}suffix`. Expressions: `internal.trait`, `external.trait`, `external["any trait"]`,
 * `email.local(expression)` and `regexp.replace(expression, "pattern", "replacement")`.
 */
export function parseTemplate(text: string): Template {
  const parts = /^([^{}]*)\{\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\}([^{}]*)$/.exec(text);
  if (!parts || text.length > maxValueLength)
    throw InvalidTemplate(text, 'write it like {{external.trait}}, once');
  const [, prefix = '', expression = '', suffix = ''] = parts;
  const tokens = new Tokens(expression, (why) => InvalidTemplate(text, why));
  const values = parseValues(tokens, 0);
  tokens.end();
  return {
    prefix,
    suffix,
    values: (traits) => [...new Set(values(traits))].filter((v) => v.length <= maxValueLength),
  };
}

function parseValues(tokens: Tokens, depth: number): Values {
  if (depth > 8) throw tokens.refuse('it nests too deeply');
  switch (tokens.name()) {
    case 'internal':
      return internalTrait(tokens);
    case 'external':
      return traitValues(tokens.member());
    case 'email':
      return emailLocal(tokens, depth);
    case 'regexp':
      return regexpReplace(tokens, depth);
    default:
      throw tokens.refuse('it starts with internal, external, email.local or regexp.replace');
  }
}

function internalTrait(tokens: Tokens): Values {
  const trait = tokens.member();
  if (!internalTraits.has(trait))
    throw tokens.refuse(`internal.${trait} is not a trait; use external.${trait}`);
  return traitValues(trait);
}

function traitValues(trait: string): Values {
  return (traits) => (Object.hasOwn(traits, trait) ? traits[trait]! : []);
}

function emailLocal(tokens: Tokens, depth: number): Values {
  tokens.expect('.', 'local', '(');
  const argument = parseValues(tokens, depth + 1);
  tokens.expect(')');
  return (traits) => argument(traits).flatMap((value) => /^([^@\s]+)@[^@\s]+$/.exec(value)?.[1] ?? []);
}

function regexpReplace(tokens: Tokens, depth: number): Values {
  tokens.expect('.', 'replace', '(');
  const argument = parseValues(tokens, depth + 1);
  tokens.expect(',');
  const regex = compileRegex(tokens.string());
  tokens.expect(',');
  const replacement = goReplacement(tokens.string());
  tokens.expect(')');
  if (regex.programSize() > 500) throw tokens.refuse('the regular expression is too large');
  const apply = (value: string) => regex.matcher(value).replaceAll(replacement);
  return (traits) =>
    argument(traits)
      .filter((value) => regex.test(value))
      .map(apply);
}

/** Go writes groups as `$1`, `${1}` and `${name}`; the engine knows `$1` and `$<name>`. */
function goReplacement(text: string): string {
  return text.replaceAll(/\$\{(\d+)\}/g, '$$$1').replaceAll(/\$\{(\w+)\}/g, '$$<$1>');
}
