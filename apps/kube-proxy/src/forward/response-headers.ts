// An allowlist: a cluster must not set cookies, policies, alternative services or redirects for the edge's own origin.
const passed = new Set([
  'audit-id',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'etag',
  'last-modified',
  'retry-after',
  'vary',
  'x-content-type-options',
  'x-kubernetes-pf-flowschema-uid',
  'x-kubernetes-pf-prioritylevel-uid',
]);

/** Headers of an API server's answer that its client gets, name and value in turn. */
export function responseHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): string[] {
  const kept: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    if (passed.has(name)) kept.push(name, typeof value === 'string' ? value : value[0]!);
    else if (name === 'warning') addWarnings(kept, value);
  }
  return kept;
}

const maxWarnings = 50;

/** kubectl prints warnings on the terminal, so only plain text of a sane length gets there. */
function addWarnings(kept: string[], value: string | string[]): void {
  for (const warning of [value].flat().slice(0, maxWarnings)) {
    if (/^[\x20-\x7e]{1,4096}$/.test(warning)) kept.push('warning', warning);
  }
}
