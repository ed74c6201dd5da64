import { everything, kinds, selectorHash } from '@postern/contracts';

/** Kinds that an agent has no business with, and those that not even an edge has. */
const controlPlaneKinds = ['role', 'user', 'token'];
const serviceKinds = ['token'];

/**
 * Those of the views that a process with these system roles may read. A hash does not tell what it selects, but the views
 * of roles, users and tokens that services keep open select everything of their kinds, so their hashes are known. Other
 * views of these kinds cannot be opened by an agent in the first place.
 */
export function readableViews(roles: readonly string[], views: readonly string[]): string[] {
  if (roles.includes('Auth')) return [...views];
  const closed = roles.includes('Proxy') ? hashesOf(serviceKinds) : hashesOf(controlPlaneKinds);
  return views.filter((view) => !closed.has(view));
}

/** Hashes of every view of everything that includes one of these kinds. */
function hashesOf(guarded: readonly string[]): Set<string> {
  const sets = kinds.reduce<string[][]>(
    (all, { kind }) => [...all, ...all.map((set) => [...set, kind])],
    [[]],
  );
  const touching = sets.filter((set) => set.some((kind) => guarded.includes(kind)));
  return new Set(touching.map((set) => selectorHash(everything(...set))));
}
