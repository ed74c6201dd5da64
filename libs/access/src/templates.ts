import {
  isPrincipalName,
  isRegex,
  isTemplate,
  parseTemplate,
  quoteRegex,
  type Template,
  type Traits,
} from '@postern/contracts';

/**
 * Names of Kubernetes users or groups with templates expanded. A missing trait drops the value, several trait values
 * multiply it.
 *
 * A name that begins with `system:` only counts when the role spells it out: traits come from identity providers, and a
 * claim must not be able to say `system:masters`. Names that do not fit a header line unchanged are dropped too.
 */
export function expandPrincipals(values: readonly string[], traits: Traits): string[] {
  const names = values.flatMap((value) =>
    isTemplate(value) ? expandText(value, traits).filter((name) => !isReservedName(name)) : [value],
  );
  return [...new Set(names.filter(isPrincipalName))];
}

/** Whether a name is one that Kubernetes itself gives meaning to. */
export function isReservedName(name: string): boolean {
  return name.toLowerCase().startsWith('system:');
}

/**
 * Values or patterns to deny, with templates expanded and nothing dropped but missing traits. A trait's `*` keeps its meaning
 * here, because a wider denial is the safe side.
 */
export function expandText(value: string, traits: Traits): string[] {
  if (!isTemplate(value)) return [value];
  const { prefix, suffix, values } = parseTemplate(value);
  return values(traits).map((text) => `${prefix}${text}${suffix}`);
}

/**
 * Patterns with templates expanded. What a trait contributes stands for itself: were its `*` or `^…$` read as a pattern, an
 * identity provider's claim could widen a role. The text around the template stays a pattern.
 */
export function expandPattern(pattern: string, traits: Traits): string[] {
  if (!isTemplate(pattern)) return [pattern];
  const template = parseTemplate(pattern);
  return template.values(traits).flatMap((value) => withLiteral(template, value));
}

function withLiteral({ prefix, suffix }: Template, value: string): string[] {
  const plain = `${prefix}${value}${suffix}`;
  if (prefix.startsWith('^') && suffix.endsWith('$'))
    return bounded(`${prefix}${quoteRegex(value)}${suffix}`);
  if (!value.includes('*') && !isRegex(plain)) return bounded(plain);
  return bounded(`^${globRegex(prefix)}${quoteRegex(value)}${globRegex(suffix)}$`);
}

function globRegex(glob: string): string {
  return glob.split('*').map(quoteRegex).join('(?s:.*)');
}

/** A value that would make the pattern longer than patterns may be is dropped like a missing one. */
function bounded(pattern: string): string[] {
  return pattern.length <= 1024 ? [pattern] : [];
}
