import type { BodyFilter, ListRules } from './body-filter.ts';

/** What the tests' user may see. */
export const maySee = (namespace: string, name: string): boolean =>
  namespace === 'dev' && name.startsWith('web-');

/** Rules of a list. */
export const listRules: ListRules & { readonly dropsObjects: boolean } = {
  maySee,
  sealContinue: (token) => `sealed(${token})`,
  dropsObjects: false,
};

/** Everything that a filter lets through of a body that comes in parts. */
export function filtered(filter: BodyFilter, body: string | Buffer, cuts: readonly number[] = []): Buffer {
  const bytes = Buffer.from(body);
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  const positions = [...new Set(at)].toSorted((a, b) => a - b);
  const out: Buffer[] = [];
  for (const [index, position] of positions.slice(1).entries()) {
    const kept = filter.push(Buffer.from(bytes.subarray(positions[index], position)));
    if (kept) out.push(kept);
  }
  const rest = filter.end();
  return Buffer.concat(rest ? [...out, rest] : out);
}

/** Positions of all bytes, to be cut at. */
export function everywhere(body: string | Buffer): number[] {
  return Array.from({ length: Buffer.byteLength(body) }, (_, index) => index);
}

/** An object with something nested in it that looks like one. */
export const pod = (namespace: string, name: string, extra: Record<string, unknown> = {}) => ({
  metadata: { name, namespace, ...extra },
  spec: { items: [{ metadata: { name: 'nested' } }] },
});
