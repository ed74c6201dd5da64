import { type RequestInfo, requestInfoOf } from './request-info.ts';
import { type SelectedCluster, selectCluster } from './select-cluster.ts';
import { parseTarget } from './target.ts';

/** What a method and a target mean at the edge. */
export class ReadTarget {
  readonly #method: string;
  readonly #selected: SelectedCluster;
  #info: RequestInfo | undefined;

  constructor(method: string, target: string) {
    this.#method = method;
    this.#selected = selectCluster(parseTarget(target));
  }

  get teleportCluster(): string {
    return this.#selected.teleportCluster;
  }

  get kubeCluster(): string {
    return this.#selected.kubeCluster;
  }

  /** What is asked of the cluster. Read, or refused, when it is first wanted. */
  get info(): RequestInfo {
    this.#info ??= requestInfoOf(this.#method, this.#selected.target);
    return this.#info;
  }
}

/** Targets that were read before: controllers and their leases ask for the same few again and again. */
const known = new Map<string, ReadTarget>();
const maxKnown = 2000;
const maxKnownCharacters = 512;

/** Reads a method and a raw target; what they mean depends on nothing else. */
export function readTarget(method: string, target: string): ReadTarget {
  if (target.length > maxKnownCharacters) return new ReadTarget(method, target);
  const key = `${method} ${target}`;
  const before = known.get(key);
  if (before) return before;
  // Out of the key, which is short: the target that came may be a view of a whole request.
  const read = new ReadTarget(method, key.slice(method.length + 1));
  if (known.size >= maxKnown) known.clear();
  known.set(key, read);
  return read;
}
