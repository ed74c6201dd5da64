import { kubePrincipals } from '@postern/access';
import { MeReply } from '@postern/contracts';
import { route } from '@postern/http';
import type { JoinDeps } from '../deps.ts';
import { callingUser } from './caller.ts';

export const meRoute = route<JoinDeps>()({
  method: 'GET',
  url: '/v1/me',
  allow: 'authenticated',
  reply: MeReply,
  handle: async (deps, { principal }) => {
    const user = await callingUser(deps, principal);
    const roles = deps.policy.rolesOf(user);
    const { users, groups } = kubePrincipals({ user, roles });
    const traits = Object.entries(user.traits).map(([name, values]): [string, string[]] => [
      name,
      [...values],
    ]);
    return {
      user: user.name,
      clusterName: principal.clusterName,
      roles: roles.map((role) => role.metadata.name),
      traits: Object.fromEntries(traits),
      kubernetesUsers: [...users],
      kubernetesGroups: [...groups],
    };
  },
});
