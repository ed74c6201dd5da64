import type { Api } from '@postern/client';
import { AppError, failure } from '@postern/core';

const RoleNotFound = failure(
  'not_found',
  'tctl.role_not_found',
  (role: string) => `role ${role} is not found`,
);

/** The roles, each once; throws for the first that does not exist. */
export async function existingRoles(api: Api, roles: readonly string[]): Promise<string[]> {
  const distinct = [...new Set(roles)];
  for (const role of distinct) {
    await api.resources.get('role', role).catch((error: unknown) => {
      throw error instanceof AppError && error.kind === 'not_found' ? RoleNotFound.from(error, role) : error;
    });
  }
  return distinct;
}
