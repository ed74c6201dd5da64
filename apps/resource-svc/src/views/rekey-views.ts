import { rekeyView, type ViewStore, ViewGone } from './open-view.ts';
import { leaversByView } from './view-keys.ts';
import { viewLeaseMs } from './view-table.ts';

/** Begins a new epoch for every view with secrets that an agent left which knows the key. */
export async function rekeyViews(deps: ViewStore): Promise<void> {
  const since = new Date(deps.clock().getTime() - viewLeaseMs);
  for (const [hash, left] of await leaversByView(deps.store.db, since)) {
    try {
      await rekeyView(deps, hash, left);
    } catch (error) {
      if (!ViewGone.is(error)) throw error;
    }
  }
}
