import type { Kind } from './define-kind.ts';
import { discoveryConfigKind } from './discovery-config.ts';
import { kubeClusterKind } from './kube-cluster.ts';
import { lockKind } from './lock.ts';
import { roleKind } from './role.ts';
import { tokenKind } from './token.ts';
import { userKind } from './user.ts';

/** Every resource kind there is. One file each, and one line here. */
export const kinds: readonly Kind[] = [
  discoveryConfigKind,
  kubeClusterKind,
  lockKind,
  roleKind,
  tokenKind,
  userKind,
];

/** The kind with this canonical name, plural or alias, in any letter case. */
export function kindNamed(text: string): Kind | undefined {
  const name = text.toLowerCase();
  return kinds.find(
    ({ kind, plural, aliases }) => kind === name || plural === name || aliases.includes(name),
  );
}
