import type { KubeconfigChange } from './edit-text.ts';
import type { Entry, Kubeconfig } from './kubeconfig.ts';
import { marksOf } from './own-entries.ts';

/** Takes out every entry that signing in at one of these proxies made, and selects the context from before. */
export function signOutChange(now: Kubeconfig, proxies: ReadonlySet<string>): KubeconfigChange {
  const ours = (entries: readonly Entry[]) =>
    new Set(entries.filter((entry) => proxies.has(marksOf(entry)?.profile ?? '')).map(({ name }) => name));
  const contexts = ours(now.contexts);
  const remove = { clusters: ours(now.clusters), users: ours(now.users), contexts };
  return contexts.has(now.currentContext)
    ? { remove, currentContext: contextBefore(now, contexts) }
    : { remove };
}

/** Follows the predecessors of the selected context to the first one that stays. */
function contextBefore(now: Kubeconfig, removed: ReadonlySet<string>): string {
  const seen = new Set<string>();
  let name = now.currentContext;
  while (removed.has(name) && !seen.has(name)) {
    seen.add(name);
    const entry = now.contexts.find((context) => context.name === name);
    name = marksOf(entry)?.previousContext ?? '';
  }
  return now.contexts.some((context) => context.name === name) && !removed.has(name) ? name : '';
}
