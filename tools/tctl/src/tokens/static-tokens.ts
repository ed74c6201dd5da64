import type { ResourceDocument } from '@postern/client';

const prefix = 'sha256:';

/** A token of the control plane's configuration as lists show it: by the hash of its value. */
export function staticToken({
  id,
  roles,
}: {
  readonly id: string;
  readonly roles: readonly string[];
}): ResourceDocument {
  const spec = { roles: [...roles], join_method: 'token' };
  return { kind: 'token', sub_kind: 'static', version: 'v2', metadata: { name: `${prefix}${id}` }, spec };
}

/** Whether a name is one of those. */
export function isStatic(name: string): boolean {
  return name.startsWith(prefix);
}
