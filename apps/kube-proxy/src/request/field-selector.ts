/**
 * The name that a field selector pins down, as Kubernetes' `fields.Selector.RequiresExactMatch("metadata.name")` finds it:
 * the first term `metadata.name=x` or `==x` of a conjunction. Undefined when there is none or the text does not parse.
 */
export function exactName(selector: string): string | undefined {
  let name: string | undefined;
  for (const term of splitTerms(selector)) {
    if (term === '') continue;
    const match = splitOperator(term);
    if (!match) return undefined;
    const value = unescapeValue(match.value);
    if (value === undefined) return undefined;
    if (match.operator === '=' && match.key === 'metadata.name') name ??= value;
  }
  return name !== undefined && isPathSegmentName(name) ? name : undefined;
}

/** Commas separate terms unless a backslash stands before them. */
function splitTerms(selector: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < selector.length; at += 1) {
    if (selector[at] === '\\') at += 1;
    else if (selector[at] === ',') {
      terms.push(selector.slice(start, at));
      start = at + 1;
    }
  }
  return [...terms, selector.slice(start)];
}

function splitOperator(term: string): { key: string; operator: '=' | '!='; value: string } | undefined {
  const at = term.indexOf('=');
  if (at < 0) return undefined;
  if (term[at - 1] === '!') return { key: term.slice(0, at - 1), operator: '!=', value: term.slice(at + 1) };
  const value = term.slice(term[at + 1] === '=' ? at + 2 : at + 1);
  return { key: term.slice(0, at), operator: '=', value };
}

function unescapeValue(value: string): string | undefined {
  let plain = '';
  for (let at = 0; at < value.length; at += 1) {
    const char = value[at]!;
    if (char === '\\') {
      at += 1;
      const next = value[at];
      if (next === undefined || !'\\,='.includes(next)) return undefined;
      plain += next;
    } else if (char === '=' || char === ',') return undefined;
    else plain += char;
  }
  return plain;
}

function isPathSegmentName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/%]/.test(name);
}
