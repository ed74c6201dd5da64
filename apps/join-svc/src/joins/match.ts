import type { JoinToken } from '../methods/method.ts';

/** What a joiner asks for. */
export interface Wish {
  readonly method: string;
  readonly roles: readonly string[];
  readonly service?: string | undefined;
}

/** Roles that a process may hold here. A token may name more; certificates never do. */
const knownRoles = ['Kube', 'Discovery', 'Proxy', 'Auth', 'Bot', 'Node', 'App', 'Db'];

/** join-svc certifies itself and never joins. */
const joiningServices = ['resource-svc', 'inventory-svc'];

/** Why this token does not let the joiner in, for the record; undefined when it does. */
export function whyRefused(
  token: JoinToken | undefined,
  { method, roles, service }: Wish,
  at: Date,
): string | undefined {
  if (!token) return 'the token is unknown';
  if (token.expires && token.expires <= at) return 'the token has expired';
  if (token.method !== method) return `the token is for the method ${token.method}`;
  const excess = roles.filter((role) => !token.roles.includes(role));
  if (excess.length > 0) return `the token does not allow the role ${excess.join(', ')}`;
  const unknown = roles.filter((role) => !knownRoles.includes(role));
  if (unknown.length > 0) return `there is no role ${unknown.join(', ')}`;
  if (new Set(roles).size !== roles.length) return 'a role is asked for twice';
  return whyNoService(roles, service);
}

/** The role Auth is for the services of the control plane, each with permissions of its own: one that says which is none. */
function whyNoService(roles: readonly string[], service: string | undefined): string | undefined {
  const isAuth = roles.includes('Auth');
  if (!isAuth) return service === undefined ? undefined : 'a service is named without the role Auth';
  if (service === undefined) return 'the role Auth is for a service of the control plane, and none is named';
  return joiningServices.includes(service) ? undefined : `no service ${service} joins`;
}
