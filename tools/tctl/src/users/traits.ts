/** The traits that flags of `users add` and `users update` set: how the flag, the trait and the message spell them. */
const traitFlags = {
  logins: { trait: 'logins', words: 'logins' },
  windowsLogins: { trait: 'windows_logins', words: 'Windows logins' },
  kubernetesUsers: { trait: 'kubernetes_users', words: 'Kubernetes users' },
  kubernetesGroups: { trait: 'kubernetes_groups', words: 'Kubernetes groups' },
  dbUsers: { trait: 'db_users', words: 'database users' },
  dbNames: { trait: 'db_names', words: 'database names' },
  awsRoleArns: { trait: 'aws_role_arns', words: 'AWS role ARNs' },
} as const;

type TraitFlag = keyof typeof traitFlags;

/** The values that were given, by trait. */
export function givenTraits(flags: Readonly<Record<TraitFlag, readonly string[] | undefined>>): GivenTrait[] {
  return (Object.keys(traitFlags) as TraitFlag[]).flatMap((flag) => {
    const values = flags[flag];
    return values === undefined ? [] : [{ ...traitFlags[flag], values: [...new Set(values)] }];
  });
}

interface GivenTrait {
  readonly trait: string;
  readonly words: string;
  readonly values: readonly string[];
}
