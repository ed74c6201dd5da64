/** Versions whose meaning differs; a role is always read as the version it was written in. */
export const roleVersions = ['v3', 'v4', 'v5', 'v6', 'v7', 'v8'] as const;
export type RoleVersion = (typeof roleVersions)[number];
