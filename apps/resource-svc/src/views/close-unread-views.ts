import { closeView, ViewInUse, type ViewStore } from './open-view.ts';
import { unreadViews, viewLeaseMs } from './view-table.ts';

/** Gives up every view that nobody has read for the length of a lease. */
export async function closeUnreadViews(deps: ViewStore): Promise<void> {
  const since = new Date(deps.clock().getTime() - viewLeaseMs);
  for (const hash of await unreadViews(deps.store.db, since)) {
    try {
      await closeView(deps, hash, since);
    } catch (error) {
      if (!ViewInUse.is(error)) throw error;
    }
  }
}
