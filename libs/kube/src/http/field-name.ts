const fieldNamePattern = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
/** Names that came before, checked and in lower case: everybody uses the same few. */
const known = new Map<string, string>();
const maxKnown = 500;

/** The name of a header field in lower case (RFC 9110, 5.1); undefined where it is none. */
export function fieldName(raw: string): string | undefined {
  const before = known.get(raw);
  if (before !== undefined) return before;
  if (!fieldNamePattern.test(raw)) return undefined;
  const name = raw.toLowerCase();
  // A name cut out of a head would keep all of that head in memory.
  if (known.size < maxKnown) known.set(Buffer.from(raw, 'latin1').toString('latin1'), name);
  return name;
}

/** Lines without control characters, each of which but the last ends with CR LF (RFC 9110, 5.5). */
const lines = /^(?:[\t\x20-\x7e\x80-\xff]*\r\n)*[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a head, without the empty line that ends it, is made of nothing but lines that end with CR LF. */
export function isHeadText(text: string): boolean {
  return lines.test(text);
}
