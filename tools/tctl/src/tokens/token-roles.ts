import { failure } from '@postern/core';

const InvalidRole = failure(
  'invalid_argument',
  'tctl.invalid_token_role',
  (role: string, known: readonly string[]) =>
    `invalid role ${JSON.stringify(role)}; known: ${known.join(', ').toLowerCase()}`,
);

/**
 * The system roles of `--type`, in any letter case. `kube` alone stands for what a Kubernetes agent may also do, so that
 * one token serves an agent that later discovers clusters or applications.
 */
export async function rolesOfTypes(types: readonly string[]): Promise<string[]> {
  const { tokenRoles } = await import('@postern/contracts');
  const roles = types.map((type) => {
    const role = tokenRoles.find((known) => known.toLowerCase() === type.toLowerCase());
    if (!role) throw InvalidRole(type, tokenRoles);
    return role;
  });
  const distinct = [...new Set<string>(roles)];
  return distinct.length === 1 && distinct[0] === 'Kube' ? ['Kube', 'App', 'Discovery'] : distinct;
}
