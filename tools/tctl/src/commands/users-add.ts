import { type CliContext, command, list, required } from '@postern/cli';
import type { ResourceDocument } from '@postern/client';
import { AppError, failure } from '@postern/core';
import { existingRoles } from '../users/existing-roles.ts';
import { givenTraits } from '../users/traits.ts';

const RolesNeeded = failure(
  'invalid_argument',
  'tctl.user_roles_needed',
  () => 'required flag --roles not provided: say what the user may do, for example --roles=access',
);

export const usersAdd = command({
  name: 'users add',
  summary: 'Create a user',
  args: { account: required('Name of the user') },
  flags: {
    roles: list('--roles <roles>', 'Roles of the user'),
    logins: list('--logins <logins>', 'Allowed SSH logins'),
    windowsLogins: list('--windows-logins <logins>', 'Allowed Windows logins'),
    kubernetesUsers: list('--kubernetes-users <users>', 'Kubernetes users to act as'),
    kubernetesGroups: list('--kubernetes-groups <groups>', 'Kubernetes groups to act in'),
    dbUsers: list('--db-users <users>', 'Allowed database users'),
    dbNames: list('--db-names <names>', 'Allowed database names'),
    awsRoleArns: list('--aws-role-arns <arns>', 'Allowed AWS roles'),
  },
  async run(context, { args, flags }) {
    if (!flags.roles || flags.roles.length === 0) throw RolesNeeded();
    const api = await context.api();
    const roles = await existingRoles(api, flags.roles);
    const traits = Object.fromEntries(givenTraits(flags).map(({ trait, values }) => [trait, values]));
    const user = { kind: 'user', version: 'v2', metadata: { name: args.account }, spec: { roles, traits } };
    await store(context, user, roles);
    context.terminal.print(success(args.account));
  },
});

async function store(context: CliContext, user: ResourceDocument, roles: readonly string[]): Promise<void> {
  try {
    await (await context.api()).resources.create(user);
  } catch (error) {
    if (error instanceof AppError && error.kind === 'already_exists') {
      const { name } = user.metadata;
      context.terminal.note(
        `NOTE: to change the roles of user ${name} use: tctl users update ${name} --set-roles ${roles.join(',')}`,
      );
    }
    throw error;
  }
}

function success(name: string): string {
  return `User ${JSON.stringify(name)} has been created.
Users do not set a password in this release. Have an identity signed for this one and hand it over safely:

> tctl auth sign --user=${name} --out=${name}.pem
`;
}
