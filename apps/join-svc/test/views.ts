import { type Bus, storeViewEntry, viewStream } from '@postern/bus';
import {
  anyAgent,
  type Selector,
  selectorHash,
  type SnapshotRequest,
  type ViewEntry,
} from '@postern/contracts';

/** Answers view requests as resource-svc would, from resources that the test puts. */
export interface Views {
  put(kind: string, id: string, resource?: NonNullable<ViewEntry['resource']>): Promise<void>;
}

export async function startViews(bus: Bus): Promise<Views> {
  await bus.reconcileStreams([viewStream()]);
  const entries = new Map<string, ViewEntry>();
  const opened = new Map<string, readonly string[]>();
  const generation = 1;
  let rev = 0;
  bus.subscribe(anyAgent.openView, {}, (message) => {
    const { selector } = message.json() as unknown as { selector: Selector };
    const hash = selectorHash(selector);
    opened.set(hash, selector.kinds);
    message.respond({ ok: true, hash });
  });
  bus.subscribe(anyAgent.snapshot, {}, (message) => {
    const { hash, after } = message.json() as unknown as SnapshotRequest;
    const kinds = opened.get(hash) ?? [];
    const page = [...entries.values()].filter((entry) => kinds.includes(entry.kind) && entry.resource);
    message.respond({ ok: true, entries: after === '' ? page : [], next: '', generation });
  });
  await bus.flush();
  return {
    put: async (kind, id, resource) => {
      rev += 1;
      const entry: ViewEntry = { kind, id, rev, revision: String(rev), ...(resource ? { resource } : {}) };
      entries.set(`${kind}/${id}`, entry);
      const hashes = [...opened].filter(([, kinds]) => kinds.includes(kind)).map(([hash]) => hash);
      await Promise.all(hashes.map((hash) => storeViewEntry(bus, { hash, generation }, entry)));
    },
  };
}
