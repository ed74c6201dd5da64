import type { JoinToken } from '../methods/method.ts';

/** What a joiner asks for. */
export interface Wish {
  readonly method: string;
  readonly roles: readonly string[];
}

/** Roles that a process may hold here. A token may name more; certificates never do. */
const knownRoles = ['Kube', 'Discovery', 'Proxy', 'Auth', 'Bot', 'Node', 'App', 'Db'];

/** Why this token does not let the joiner in, for the record; undefined when it does. */
export function whyRefused(
  token: JoinToken | undefined,
  { method, roles }: Wish,
  at: Date,
): string | undefined {
  if (!token) return 'the token is unknown';
  if (token.expires && token.expires <= at) return 'the token has expired';
  if (token.method !== method) return `the token is for the method ${token.method}`;
  const excess = roles.filter((role) => !token.roles.includes(role));
  if (excess.length > 0) return `the token does not allow the role ${excess.join(', ')}`;
  const unknown = roles.filter((role) => !knownRoles.includes(role));
  if (unknown.length > 0) return `there is no role ${unknown.join(', ')}`;
  return new Set(roles).size === roles.length ? undefined : 'a role is asked for twice';
}
