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

/** Why there is no such token for the joiner, for the record; undefined when there is. */
export function whyRefused(
  token: JoinToken | undefined,
  { method }: Pick<Wish, 'method'>,
  at: Date,
): string | undefined {
  if (!token) return 'the token is unknown';
  if (token.expires && token.expires <= at) return 'the token has expired';
  return token.method === method ? undefined : `the token is for the method ${token.method}`;
}

/** Why the token does not give what is asked for, for the record and for whoever has proved to be meant by the token. */
export function whyNotAllowed(
  token: Pick<JoinToken, 'roles'>,
  { roles, service }: Omit<Wish, 'method'>,
): string | undefined {
  const excess = roles.filter((role) => !token.roles.includes(role));
  if (excess.length > 0)
    return `the token does not allow the role ${excess.join(', ')}: it allows ${token.roles.join(', ')}`;
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
