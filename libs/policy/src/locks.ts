import type { AccessLock } from '@postern/access';
import {
  type LockSpec,
  type LockTarget,
  type LockTargetField,
  lockTargetOf,
  type Resource,
} from '@postern/contracts';

/** A lock as the policy of this moment knows it. */
export interface LockState extends AccessLock {
  readonly id: string;
  /** After this it locks nothing. */
  readonly expires?: Date;
}

/** The locks there are, by what they are on. */
export class Locks {
  readonly #byId = new Map<string, LockState>();
  readonly #byTarget = new Map<string, Map<string, LockState>>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): LockState | undefined {
    return this.#byId.get(id);
  }

  set(lock: LockState): void {
    this.delete(lock.id);
    this.#byId.set(lock.id, lock);
    const key = keyOf(lock.target);
    const onTarget = this.#byTarget.get(key) ?? new Map<string, LockState>();
    this.#byTarget.set(key, onTarget.set(lock.id, lock));
  }

  delete(id: string): void {
    const lock = this.#byId.get(id);
    if (!lock) return;
    this.#byId.delete(id);
    const key = keyOf(lock.target);
    const onTarget = this.#byTarget.get(key);
    onTarget?.delete(id);
    if (onTarget?.size === 0) this.#byTarget.delete(key);
  }

  /** What locks that have not ended are on, of one kind of target. */
  targets(field: LockTargetField, now: Date): string[] {
    const locks = [...this.#byId.values()].filter(({ target, expires }) => {
      const isOver = expires !== undefined && expires <= now;
      return target.field === field && !isOver;
    });
    return [...new Set(locks.map(({ target }) => target.value))];
  }

  /** The lock on any of these that has not ended; of several the one with the first id, so that everybody finds the same. */
  on(targets: Iterable<LockTarget>, now: Date): LockState | undefined {
    if (this.#byId.size === 0) return undefined;
    let first: LockState | undefined;
    for (const target of targets) {
      for (const lock of this.#byTarget.get(keyOf(target))?.values() ?? []) {
        const isOver = lock.expires !== undefined && lock.expires <= now;
        if (!isOver && (first === undefined || lock.id < first.id)) first = lock;
      }
    }
    return first;
  }
}

/** A lock resource in the terms of the policy. */
export function lockState({ metadata, spec }: Resource<LockSpec>): LockState {
  const ends = spec.expires ?? metadata.expires;
  return {
    id: metadata.name,
    target: lockTargetOf(spec),
    message: spec.message ?? '',
    ...(ends === undefined ? {} : { expires: new Date(ends) }),
  };
}

function keyOf({ field, value }: LockTarget): string {
  return `${field}/${value}`;
}
