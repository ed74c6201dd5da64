import { command, list, required } from '@postern/cli';
import { failure, isPlainObject } from '@postern/core';
import { changeResource } from '../resources/change-resource.ts';
import { existingRoles } from '../users/existing-roles.ts';
import { givenTraits } from '../users/traits.ts';

const NothingSet = failure(
  'invalid_argument',
  'tctl.nothing_set',
  () => 'Nothing to update. Please provide at least one --set flag.',
);

export const usersUpdate = command({
  name: 'users update',
  summary: 'Replace roles or traits of a user',
  args: { account: required('Name of the user') },
  flags: {
    roles: list('--set-roles <roles>', 'Roles of the user'),
    logins: list('--set-logins <logins>', 'Allowed SSH logins'),
    windowsLogins: list('--set-windows-logins <logins>', 'Allowed Windows logins'),
    kubernetesUsers: list('--set-kubernetes-users <users>', 'Kubernetes users to act as'),
    kubernetesGroups: list('--set-kubernetes-groups <groups>', 'Kubernetes groups to act in'),
    dbUsers: list('--set-db-users <users>', 'Allowed database users'),
    dbNames: list('--set-db-names <names>', 'Allowed database names'),
    awsRoleArns: list('--set-aws-role-arns <arns>', 'Allowed AWS roles'),
  },
  async run(context, { args, flags }) {
    const traits = givenTraits(flags);
    if (flags.roles === undefined && traits.length === 0) throw NothingSet();
    const api = await context.api();
    const roles = flags.roles && (await existingRoles(api, flags.roles));
    const changed = Object.fromEntries(traits.map(({ trait, values }) => [trait, values]));
    await changeResource(api, { kind: 'user', name: args.account }, (user) => {
      const before = isPlainObject(user.spec['traits']) ? user.spec['traits'] : {};
      return { ...user, spec: { ...user.spec, ...(roles && { roles }), traits: { ...before, ...changed } } };
    });
    const lines = [...(roles ? [`\tNew roles: ${roles.join(',')}`] : []), ...traits.map(changeLine)];
    context.terminal.print([`User ${args.account} has been updated:`, ...lines].join('\n'));
  },
});

function changeLine({
  words,
  values,
}: {
  readonly words: string;
  readonly values: readonly string[];
}): string {
  return `\tNew ${words}: ${values.join(',')}`;
}
